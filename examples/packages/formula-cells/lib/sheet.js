import { evaluate } from './evaluate.js';
import { tokenize } from './tokenize.js';

/** Cells by name; a content that begins with "=" is a formula. */
export class Sheet {
  #cells = new Map();

  set(name, content) {
    this.#cells.set(name, content);
    return this;
  }

  value(name) {
    const content = this.#cells.get(name) ?? 0;
    if (typeof content !== 'string' || !content.startsWith('=')) return content;
    return evaluate(tokenize(content.slice(1)), (other) => this.value(other));
  }
}
