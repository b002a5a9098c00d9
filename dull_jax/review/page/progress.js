// How far the review is, and what to do when all is decided.

import {byId, make} from './elements.js';
import {WHOLE} from './view.js';

const count = (number, noun) => `${number.toLocaleString('en')} ${noun}${number === 1 ? '' : 's'}`;
const percent = (share) => `${Math.round(100 * share)} %`;

function time(seconds) {
  if (seconds < 60) return 'less than a minute left';
  if (seconds < 5400) return `about ${count(Math.round(seconds / 60), 'minute')} left`;
  return `about ${count(Math.round(seconds / 3600), 'hour')} left`;
}

/** Shows how many labels of the view are decided, and how often the audit was right. */
export function show(overview, filter) {
  const {total, decided, seconds_left: seconds} = overview;
  const left = seconds === null || decided === total ? '' : `, ${time(seconds)}`;
  const far = `${decided.toLocaleString('en')} of ${total.toLocaleString('en')}`;
  byId('far').textContent = `${far}${left}`;
  byId('bar').max = total || 1;
  byId('bar').value = decided;
  byId('precision').replaceChildren(...precision(overview));
  byId('filtered').textContent = filter;
  byId('notes').hidden = !overview.notes.length;
  byId('notes').textContent = overview.notes.join(' ');
  document.title = `${far} · ${overview.name}: review`;
}

function precision({counted, estimated_precision: expected}) {
  if (!counted.decided && expected === null) return [];
  if (!counted.decided) return [`The audit expects ${percent(expected)} of what it flags to be wrong`];
  const {decided, wrong} = counted;
  const share = `${wrong} of ${decided} decided were wrong (${percent(wrong / decided)})`;
  const title = make('span', {className: 'long'}, 'Precision so far: ');
  return [title, `${share}${expected === null ? '' : `; expected ${percent(expected)}`}`];
}

/** What stands in the item's place where none is left, or none is there. */
export function close(overview, filtered, go) {
  const {total, decided, skipped, counts} = overview;
  const button = (text, view, seek) => {
    const element = make('button', {type: 'button'}, text);
    element.addEventListener('click', () => go(view, seek));
    return element;
  };
  const [done, none] = filtered ? ['All of these are decided', 'Nothing matches']
    : ['All decided', 'Nothing suspected'];
  const title = make('h2', {tabIndex: -1}, total ? done : none);
  const words = make('p', {}, total
    ? `${count(total, 'label')} looked at, ${skipped.toLocaleString('en')} of them skipped.`
    : filtered ? 'No label is left with these filters.' : 'The audit lists no label.');
  const buttons = [
    skipped && button(`Look at the ${skipped.toLocaleString('en')} skipped`, {}, 'skipped'),
    filtered && button('Go on with the whole list', WHOLE, 'open'),
    total && button('Look through them again', {}, 'here'),
    counts.verdict.rest
      && button('Go on with labels that are not listed', {...WHOLE, verdict: 'rest'}, 'open'),
  ].filter(Boolean);
  const next = decided && overview.command ? command(overview.command) : [];
  const more = make('div', {className: 'buttons'}, ...buttons);
  byId('closing').replaceChildren(title, words, ...next, more);
}

function command(text) {
  const copy = make('button', {type: 'button'}, 'Copy');
  copy.addEventListener('click', async () => {
    await navigator.clipboard.writeText(text);
    copy.textContent = 'Copied';
  });
  const words = text.split(/(?<= )/).map((word) => make('span', {}, word)); // no break in '--'
  const open = text.includes(' … ') ? ' (… stands for what was audited)' : '';
  return [
    make('p', {}, `Now audit again${open}. The next list takes your decisions as known:`),
    make('div', {className: 'command'}, make('pre', {tabIndex: 0}, ...words), copy),
  ];
}
