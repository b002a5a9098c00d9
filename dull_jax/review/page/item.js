// One suspected label, as the page shows it.

import {byId, make, picture, quoted, thumb} from './elements.js';

const GROUPS = {head: 'frequent class (head)', medium: 'medium class', tail: 'rare class (tail)'};
const WHY = {
  wrong: '', // the two classes above say it
  ambiguous: 'Doubtful, but no class is likelier than the given one.',
  leak: 'A near copy of a test image: remove it from the train images. Its label may be right.',
  duplicate: 'A near copy of another sample, which stays: remove it. Its label may be right.',
  'none of the classes': 'Far from the images of every class.',
  '': 'Not on the list of the audit.',
};
const COPIES = ['leak', 'duplicate'];
const WORDS = {skip: 'skipped', none: 'none of the classes', remove: 'removed'};
const CHANCES = [
  [0.99, 'Almost certainly wrong'], [0.9, 'Very likely wrong'], [0.7, 'Probably wrong'],
  [0.5, 'More likely wrong than right'], [0.3, 'Perhaps wrong'], [0.1, 'Probably right'],
  [0, 'Very likely right'],
];

/** P(wrong) in words and in per cent. */
export function chance(p) {
  const words = CHANCES.find(([least]) => p >= least)[1];
  const percent = p > 0.99 ? '> 99 %' : p < 0.01 ? '< 1 %' : `${Math.round(100 * p)} %`;
  return [words, percent];
}

/** A decision in words. */
export function inWords(decision, names) {
  if (!decision) return 'undecided';
  return WORDS[decision.kind] ?? quoted(names[decision.class]);
}

/** Shows the item. Resolves when its picture is there, or is known to be missing. */
export function show(item, names) {
  labels(item, names);
  doubt(item);
  neighbours(item, names);
  candidates(item, names);
  decided(item, names);
  return pictures(item, names);
}

function labels(item, names) {
  const agree = item.given === item.suggested;
  byId('given').textContent = names[item.given];
  byId('suggested').textContent = names[item.suggested];
  byId('suggestion').hidden = agree;
  const [accept, remove, keep] = ['accept', 'remove', 'keep']
    .map((name) => document.querySelector(`.${name}`));
  accept.hidden = agree;
  remove.hidden = !COPIES.includes(item.verdict);
  accept.querySelector('b').textContent = names[item.suggested];
  keep.querySelector('b').textContent = names[item.given];
}

function doubt(item) {
  const [words, percent] = chance(item.p_wrong);
  byId('chance').textContent = words;
  byId('percent').textContent = `P(wrong) ${percent}`;
  document.querySelector('.scale').classList.toggle('likely', item.p_wrong >= 0.5);
  document.querySelector('.scale i').style.width = `${100 * item.p_wrong}%`;
  byId('why').textContent = WHY[item.verdict];
  byId('why').hidden = !WHY[item.verdict];
  const chips = [item.verdict || 'not listed', GROUPS[item.group]].filter(Boolean);
  byId('chips').replaceChildren(...chips.map((text) => make('span', {className: 'chip'}, text)));
}

function neighbours(item, names) {
  const label = (found) => found.decided ?? found.given;
  const words = item.neighbours.map((found) => {
    const look = {[item.given]: 'same', [item.suggested]: 'agrees'}[label(found)] ?? '';
    const title = names[label(found)] + (found.decided === null ? '' : ' (decided)');
    const name = make('span', {className: 'name', title}, names[label(found)]);
    if (found.decided !== null) name.append(' ✓');
    return thumb(found.row, name, look);
  });
  const agreeing = item.neighbours.filter((found) => label(found) === item.suggested).length;
  byId('near').hidden = !words.length;
  byId('near-title').replaceChildren('Nearest neighbours ', make('small', {},
    `${agreeing} of ${words.length} labelled ${quoted(names[item.suggested])}`));
  document.querySelector('#near ol').replaceChildren(...words);
}

function candidates(item, names) {
  const buttons = item.candidates.slice(0, 5).map((number, place) => {
    const role = number === item.given ? 'given' : number === item.suggested ? 'suggested' : '';
    const button = make('button', {type: 'button', className: role},
      make('kbd', {}, `${place + 1}`), make('span', {className: 'text'}, names[number]));
    if (role) button.append(make('small', {}, role));
    button.dataset.do = `${place + 1}`;
    return button;
  });
  byId('candidates').replaceChildren(...buttons);
}

function decided(item, names) {
  const {decision} = item;
  byId('decided').hidden = !decision;
  byId('decided').textContent = decision ? `✓ Decided: ${inWords(decision, names)}.` : '';
  for (const button of document.querySelectorAll('[data-do]')) {
    const number = {accept: item.suggested, keep: item.given}[button.dataset.do]
      ?? item.candidates[button.dataset.do - 1];
    const chosen = decision?.kind === 'class' ? decision.class === number
      : decision?.kind === button.dataset.do;
    button.classList.toggle('chosen', chosen);
  }
}

function pictures(item, names) {
  const place = item.position === null ? [] : [`No. ${item.position + 1}`];
  byId('item').classList.toggle('two', Boolean(item.twin));
  const caption = [...place, item.path || item.id].join(' · ');
  const address = item.has_image && `image/${item.row}`;
  const main = frame('picture', address, 'The picture to decide about', caption);
  byId('twin').hidden = !item.twin;
  if (!item.twin) return main;
  const {row, label, image} = item.twin;
  const copy = row < 0 || item.verdict === 'leak' ? 'Its copy, a test image' : 'Its copy';
  const known = label && `, labelled ${quoted(label)}`;
  return Promise.all([main, frame('twin', image, 'The near copy of it', copy + known)]);
}

function frame(id, address, alt, caption) {
  const figure = byId(id);
  const content = address ? picture(address, alt)
    : make('p', {className: 'no-picture'}, 'No picture.');
  figure.querySelector('.frame').replaceChildren(content);
  figure.querySelector('figcaption').textContent = caption;
  return content.loaded;
}
