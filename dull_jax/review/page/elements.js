// Elements of the page. Names from an audit may be anything: they are only ever set as text.

export const byId = (id) => document.getElementById(id);

/** An element with properties, and children that are elements or text. */
export function make(tag, properties = {}, ...children) {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...children);
  return element;
}

/** A picture that says by `loaded` when it is shown or cannot be. Small ones show their pixels. */
export function picture(address, alt) {
  const image = make('img', {alt, draggable: false});
  image.loaded = new Promise((resolve) => {
    image.addEventListener('load', () => {
      const small = Math.max(image.naturalWidth, image.naturalHeight) <= 64;
      image.classList.toggle('pixels', small);
      resolve();
    });
    image.addEventListener('error', () => {
      image.replaceWith(make('p', {className: 'no-picture'}, 'This picture cannot be shown.'));
      resolve();
    });
  });
  image.src = address;
  return image;
}

/** A small picture of a row with words beneath. */
export function thumb(row, words, look = '') {
  const image = picture(`thumb/${row}`, '');
  return make('li', {className: look}, make('div', {className: 'frame'}, image), words);
}

/** The name of a class as it is spoken of. */
export const quoted = (name) => `‘${name}’`;
