// The review: one suspected label after the other, and what the reader decides of it.
//
// Nothing moves on before the server has a decision on disk. A decision names the row that was
// shown, and what was decided of it as far as the page knows. While one is under way, or a picture
// is not there yet, no other is taken; moves wait for their turn.

import {byId} from './elements.js';
import {choose, examples, filters, onFilter, open} from './dialogs.js';
import * as item from './item.js';
import * as progress from './progress.js';
import {Failure, get, post} from './server.js';
import * as views from './view.js';
import {view, WHOLE} from './view.js';

const KEYS = {
  a: 'accept', enter: 'accept', k: 'keep', c: 'choose', '/': 'choose', n: 'none', r: 'remove',
  s: 'skip', u: 'undo', j: 'next', arrowright: 'next', p: 'previous', arrowleft: 'previous', e: 'examples',
  o: 'filters', '?': 'help', 1: '1', 2: '2', 3: '3', 4: '4', 5: '5',
};
const MOVES = ['next', 'previous', 'undo']; // that may be repeated by holding the key
const IN_EXAMPLES = ['examples', 'accept', 'keep', 'none', 'remove', 'skip'];

let position = 0; // of what is shown; total where all is decided
let letters = true; // whether single keys do anything
let names = [];
let overview = null;
let shown = null; // the item, once its picture is there
let work = Promise.resolve(); // what is under way
let busy = false;
let unsaved = null; // {row, job}: a decision that is not on disk yet
let ahead = []; // pictures that are loaded already
let fading = 0;

// What is said

function say(text, next = '') {
  byId('said').textContent = text;
  byId('next').textContent = next;
  byId('status').classList.remove('old');
  clearTimeout(fading);
  fading = setTimeout(() => byId('status').classList.add('old'), 4000);
}

function fail(error, again) {
  const problem = byId('problem');
  problem.querySelector('p').textContent = unsaved ? `Not saved. ${error.message}` : error.message;
  problem.hidden = false;
  byId('again').onclick = again;
  byId('leave').hidden = !unsaved;
}

function solved() {
  unsaved = null;
  byId('problem').hidden = true;
}

/** Does one thing after the other; where one fails, says so and offers to try again. */
function run(job) {
  work = work.then(() => attempt(job));
}

async function attempt(job) {
  busy = true;
  try {
    await job();
    if (!unsaved) solved();
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    const again = unsaved ? unsaved.job : job;
    fail(error, () => run(again));
  } finally {
    busy = false;
  }
}

// What is shown

async function load(query) {
  const both = [get('item', {...view, ...query}), get('overview', view)];
  const [found, counted] = await Promise.all(both);
  overview = counted;
  progress.show(overview, views.inWords(names));
  return found.item;
}

/** Goes to an item of the view. seek: here, open, skipped (from the position on) or back. */
async function go(seek, start, text = '') {
  const found = await load({seek, position: Math.max(start, 0)});
  if (found) await display(found, text);
  else if (seek === 'here' && overview.total) await go('open', 0, text);
  else close(text);
}

async function display(found, text) {
  if (found.position !== null) position = found.position;
  views.remember(position, letters);
  byId('closing').hidden = true;
  byId('item').hidden = false;
  document.body.classList.remove('closed');
  byId('item').setAttribute('aria-busy', 'true');
  shown = null;
  const there = item.show(found, names);
  scrollTo(0, 0);
  const [words, percent] = item.chance(found.p_wrong);
  const labels = `Given ${names[found.given]}, suggested ${names[found.suggested]}`;
  say(text, `${labels}, ${words}, ${percent}.`);
  there.then(() => ready(found));
}

function ready(found) {
  if (byId('item').hidden || shown?.row === found.row) return;
  shown = found;
  byId('item').setAttribute('aria-busy', 'false');
  byId('item').dataset.row = found.row;
  ahead = found.ahead.map((row) => Object.assign(new Image(), {src: `image/${row}`}));
}

function close(text) {
  shown = null;
  position = overview.total;
  views.remember(position, letters);
  byId('item').hidden = true;
  byId('closing').hidden = false;
  document.body.classList.add('closed');
  progress.close(overview, views.isFiltered(), (changed, seek) => run(() => {
    Object.assign(view, changed);
    return go(seek, 0);
  }));
  say(text, 'All decided.');
  if (!document.querySelector('dialog[open]')) byId('closing').querySelector('h2').focus();
}

// Where to begin

function recall() {
  const {at, letters: kept} = views.recall();
  letters = kept;
  byId('letters').checked = letters;
  return at;
}

async function start() {
  ({classes: names} = await get('classes'));
  const kept = recall();
  try {
    await (kept === null ? go('open', 0) : go('here', kept));
  } catch (error) {
    if (![400, 404].includes(error.status)) throw error;
    Object.assign(view, {order: 'p', ...WHOLE}); // the address is of another audit
    await go('open', 0);
  }
}

// What the reader does

function decide(decision) {
  const about = shown;
  if (busy) { // it may be meant for what comes next, and that was not seen yet
    say('Still saving; that was not done. Try again.');
    return;
  }
  if (!about) {
    if (!byId('closing').hidden) say('There is nothing to decide here.');
    else say('The picture is not there yet; that was not done. Try again.');
    return;
  }
  if (unsaved && unsaved.row !== about.row) {
    say('First try again to save the last decision, or leave it.');
    return;
  }
  run(async function job() {
    unsaved = {row: about.row, job};
    try {
      await post('decide', {row: about.row, decision, before: about.decision});
    } catch (error) {
      if (error.status === 409 && await changedElsewhere(about)) return;
      throw error;
    }
    solved();
    about.decision = decision;
    const after = about.position === null ? position : about.position + 1;
    await go('open', after, `Saved: ${item.inWords(decision, names)}.`);
  });
}

const same = (one, other) => JSON.stringify(one.decision) === JSON.stringify(other.decision);

/** Shows the item anew if it was decided by another page or program; whether it was. */
async function changedElsewhere(about) {
  const now = await load({row: about.row});
  if (same(now, about)) return false;
  solved();
  const words = now.decision ? `as ${item.inWords(now.decision, names)}` : ': it is undecided again';
  await display(now, `Changed elsewhere ${words}. Decide again to change it.`);
  return true;
}

async function undo() {
  let taken;
  try {
    taken = await post('undo', {undo: overview.undo});
  } catch (error) {
    if (error.status !== 409) throw error;
    overview = await get('overview', view);
    say(`${error.message}. Nothing was taken back; press again to take back the latest.`);
    return;
  }
  if (taken.row === null) {
    say('There is nothing to take back.');
    return;
  }
  const words = `Taken back; it is ${item.inWords(taken.decision, names)}.`;
  await display(await load({row: taken.row}), words);
}

function next() {
  const last = position + 1 >= overview.total;
  if (last) return go('open', 0, 'That was the last; on to what is undecided.');
  return go('here', position + 1);
}

const label = (number) => decide({kind: 'class', class: number});

const DO = {
  accept: () => label(shown?.suggested),
  keep: () => label(shown?.given),
  none: () => decide({kind: 'none'}),
  remove: () => decide({kind: 'remove'}),
  skip: () => decide({kind: 'skip'}),
  choose: () => shown && choose(names, shown.candidates, label),
  undo: () => run(undo),
  next: () => run(next),
  previous: () => (position ? run(() => go('here', position - 1)) : say('This is the first.')),
  examples: () => shown && run(() => examples(shown, names)),
  filters: () => overview && (filters(view, overview, names), open('filters')),
  help: () => open('help'),
};

function act(name) {
  if (name in DO) DO[name]();
  else if (!shown || name <= shown.candidates.length) label(shown?.candidates[name - 1]);
}

function onKey(event) {
  const key = event.key.toLowerCase();
  const held = event.ctrlKey || event.metaKey;
  const undoing = held && key === 'z' && !event.shiftKey;
  if (!undoing && (held || event.altKey)) return;
  const action = undoing ? 'undo' : KEYS[key];
  const dialog = document.querySelector('dialog[open]');
  if (!action || event.isComposing || (event.repeat && (busy || !MOVES.includes(action)))) return;
  if (!undoing && !letters && action !== 'help') return;
  if (event.key === 'Enter' && event.target.closest('button, a, input, select')) return;
  if (dialog && !(dialog.id === 'examples' && IN_EXAMPLES.includes(action))) return;
  event.preventDefault();
  dialog?.close();
  if (!dialog || action !== 'examples') act(action);
}

document.addEventListener('keydown', onKey);
document.addEventListener('click', (event) => {
  const button = event.target.closest('[data-do]');
  if (!button) return;
  if (event.detail) document.querySelector('main').focus({preventScroll: true}); // Enter is to accept
  act(button.dataset.do);
});
byId('leave').addEventListener('click', solved);
byId('letters').addEventListener('change', (event) => {
  letters = event.target.checked;
  views.remember(position, letters);
});
onFilter((changed) => run(async () => {
  Object.assign(view, changed);
  await go('open', 0);
  filters(view, overview, names);
}));
addEventListener('hashchange', () => run(() => go('here', recall() ?? 0)));
addEventListener('focus', async () => { // the reader comes back from another page or an editor
  const about = shown;
  const now = about && await get('item', {...view, row: about.row}).catch(() => null);
  if (now && shown === about && !busy && !same(now.item, about)) run(() => changedElsewhere(about));
});
addEventListener('beforeunload', (event) => {
  if (unsaved) event.preventDefault();
});
run(start);
