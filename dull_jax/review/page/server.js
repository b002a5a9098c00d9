// What the server is asked. Addresses are relative: the page's own has the token in it.

const PATIENCE = 20_000; // milliseconds

/** What went wrong, in words for the reader. `status`: of the reply, 0 where there was none. */
export class Failure extends Error {
  constructor(message, status) {
    super(message);
    this.status = status;
  }
}

/** A JSON reply. Empty values of the query are left out. */
export function get(path, query = {}) {
  const given = Object.entries(query).filter(([, value]) => value !== '' && value !== null);
  return ask(`api/${path}?${new URLSearchParams(given)}`, {});
}

/** The JSON reply to a change; it is on disk when this returns. */
export function post(path, value) {
  const headers = {'Content-Type': 'application/json'};
  return ask(`api/${path}`, {method: 'POST', headers, body: JSON.stringify(value)});
}

async function ask(path, options) {
  let reply, value;
  try {
    reply = await fetch(path, {...options, signal: AbortSignal.timeout(PATIENCE)});
    value = await reply.json();
  } catch {
    const advice = 'Start the review again; if it prints another address, open that.';
    throw new Failure(`The server does not answer. ${advice}`, 0);
  }
  if (!reply.ok) throw new Failure(value.error || `The server says ${reply.status}.`, reply.status);
  return value;
}
