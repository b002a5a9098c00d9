// What opens over the page: the classes to choose from, examples, filters, help.

import {byId, make, quoted, thumb} from './elements.js';
import {get} from './server.js';
import {WHOLE} from './view.js';

const MOST = 1000; // classes that are listed at once

let pick = () => {};
let found = [];
let active = 0;

/** Opens one of the dialogs; what had the focus gets it back when it closes. */
export function open(id) {
  if (!byId(id).open) byId(id).showModal();
}

for (const dialog of document.querySelectorAll('dialog')) {
  dialog.querySelector('.close')?.addEventListener('click', () => dialog.close());
  dialog.addEventListener('click', (event) => { // on what is behind it
    const box = dialog.getBoundingClientRect();
    const inside = event.clientX >= box.left && event.clientX <= box.right
      && event.clientY >= box.top && event.clientY <= box.bottom;
    if (event.target === dialog && !inside) dialog.close();
  });
}

/** Lets the reader choose a class. `first`: numbers that are listed before the others. */
export function choose(names, first, then) {
  const others = names.map((_, number) => number).filter((number) => !first.includes(number));
  others.sort((a, b) => names[a].localeCompare(names[b], undefined, {numeric: true}));
  const typed = byId('typed');
  pick = then;
  typed.value = '';
  typed.oninput = () => list(names, matching(names, [...first, ...others], typed.value));
  typed.oninput();
  open('chooser');
}

/** Those whose names contain what was typed: at their beginning, at that of a word, anywhere. */
function matching(names, numbers, typed) {
  const plain = (text) => text.normalize('NFKD').replace(/\p{M}/gu, '').toLowerCase();
  const sought = plain(typed.trim());
  if (!sought) return numbers;
  const ranks = [[], [], []];
  for (const number of numbers) {
    const name = plain(names[number]);
    const at = name.indexOf(sought);
    if (at < 0) continue;
    const word = name.split(/[^\p{L}\p{N}]+/u).some((part) => part.startsWith(sought));
    ranks[at === 0 ? 0 : word ? 1 : 2].push(number);
  }
  return ranks.flat();
}

function list(names, numbers) {
  found = numbers.slice(0, MOST);
  const options = found.map((number, place) => {
    const option = make('li', {id: `option-${place}`, role: 'option'}, names[number]);
    option.addEventListener('click', () => take(place));
    return option;
  });
  const rest = numbers.length - found.length;
  const note = rest > 0 ? `and ${rest} more` : found.length ? '' : 'No such class';
  if (note) options.push(make('li', {className: 'soft', role: 'presentation'}, note));
  byId('found').replaceChildren(...options);
  activate(0);
}

function activate(place) {
  byId(`option-${active}`)?.removeAttribute('aria-selected');
  active = Math.max(0, Math.min(place, found.length - 1));
  const option = byId(`option-${active}`);
  option?.setAttribute('aria-selected', 'true');
  option?.scrollIntoView({block: 'nearest'});
  byId('typed').setAttribute('aria-activedescendant', option ? option.id : '');
}

function take(place) {
  if (place >= found.length) return;
  byId('chooser').close();
  pick(found[place]);
}

byId('typed').addEventListener('keydown', (event) => {
  const moves = {ArrowDown: 1, ArrowUp: -1, PageDown: 8, PageUp: -8};
  if (event.isComposing || !(event.key in moves || event.key === 'Enter')) return;
  event.preventDefault();
  if (event.key !== 'Enter') activate(active + moves[event.key]);
  else if (!event.repeat) take(active);
});

/** Shows examples of classes beside the item. */
export async function examples(item, names) {
  const suspect = make('section', {}, make('h3', {}, 'This picture'),
    make('ol', {className: 'thumbs one'}, thumb(item.row, '')));
  const numbers = [...new Set([item.given, item.suggested])];
  const columns = await Promise.all(numbers.map(async (number) => {
    const {rows} = await get('examples', {class: number});
    const role = number === item.given ? 'given' : 'suggested';
    const title = make('h3', {className: role}, quoted(names[number]), ' ', make('small', {}, role));
    const none = make('p', {className: 'soft'}, 'No examples.');
    const thumbs = make('ol', {className: 'thumbs'}, ...rows.map((row) => thumb(row, '')));
    return make('section', {}, title, rows.length ? thumbs : none);
  }));
  document.querySelector('.compare').replaceChildren(suspect, ...columns);
  open('examples');
}

const field = (name) => document.querySelector(`#filters [name=${name}]`);

/** Fills the filters in: what is set, and how many labels each choice would show. */
export function filters(view, overview, names) {
  const {verdict, group, pairs} = overview.counts;
  const counted = (counts, words = {}) => Object.entries(counts)
    .map(([name, count]) => [name, `${words[name] ?? name} (${count.toLocaleString('en')})`]);
  const classes = [['', 'any'], ...names.map((name, number) => [`${number}`, name])];
  const verdicts = counted(verdict, {rest: 'not listed'});
  fill('verdict', [['', 'all that are listed'], ...verdicts], view.verdict);
  fill('group', [['', 'any'], ...counted(group)], view.group);
  fill('given', classes, view.given);
  fill('suggested', classes, view.suggested);
  const both = pairs.map(([from, to, count]) =>
    [`${from}>${to}`, `${names[from]} → ${names[to]} (${count.toLocaleString('en')})`]);
  const pair = view.given && view.suggested && `${view.given}>${view.suggested}`;
  fill('pair', [['', 'any'], ...both], pair);
  field('order').value = view.order;
  const left = overview.total - overview.decided;
  byId('matches').textContent = `${overview.total.toLocaleString('en')} labels, `
    + `${left.toLocaleString('en')} of them undecided`;
}

function fill(name, choices, chosen) {
  field(name).replaceChildren(...choices.map(([value, text]) => make('option', {value}, text)));
  field(name).value = chosen;
}

/** Calls `then` with what the reader changes of the view. */
export function onFilter(then) {
  byId('filters').addEventListener('change', ({target}) => {
    const [given, suggested = ''] = target.value.split('>');
    then(target.name === 'pair' ? {given, suggested} : {[target.name]: target.value});
  });
  byId('all').addEventListener('click', () => then(WHOLE));
}
