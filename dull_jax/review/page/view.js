// Which labels are looked at, in which order: kept in the address, so that a reload keeps it.

export const WHOLE = {verdict: '', group: '', given: '', suggested: ''};
export const view = {order: 'p', ...WHOLE};

/** Whether any label of the list is left out. */
export const isFiltered = () => Object.keys(WHOLE).some((name) => view[name] !== '');

/** The view in a few words. */
export function inWords(names) {
  const order = {p: '', gain: 'by gain', class: 'by class'}[view.order];
  const from = view.given && (names[view.given] ?? '?');
  const to = view.suggested && (names[view.suggested] ?? '?');
  const pair = from || to ? `${from || 'any'} → ${to || 'any'}` : '';
  const verdict = view.verdict === 'rest' ? 'not listed' : view.verdict;
  return [verdict, view.group, pair, order].filter(Boolean).join(' · ') || 'Filters';
}

/** Writes view, position, and whether letters are keys to the address. */
export function remember(position, letters) {
  const kept = Object.entries({...view, position, keys: letters ? '' : 'off'})
    .filter(([name, value]) => value !== '' && !(name === 'order' && value === 'p'));
  history.replaceState(null, '', `#${new URLSearchParams(kept)}`);
}

/** Reads the address: sets the view; returns the position (null: none) and letters. */
export function recall() {
  const kept = new URLSearchParams(location.hash.slice(1));
  for (const name of Object.keys(view)) view[name] = kept.get(name) ?? (name === 'order' ? 'p' : '');
  const at = kept.get('position') ?? '';
  return {at: /^\d+$/.test(at) ? Number(at) : null, letters: kept.get('keys') !== 'off'};
}
