const KINDS = new Set(['receive', 'ship', 'count', 'move']);

/** A checked, frozen movement. */
export function createMovement({ at, kind, product, quantity, from, to }) {
  if (!KINDS.has(kind)) throw new TypeError(`Unknown kind of movement: ${kind}`);
  if (!Number.isInteger(quantity) || quantity < 0) throw new RangeError(`Not a quantity: ${quantity}`);
  if (kind === 'move' && (from === undefined || to === undefined)) {
    throw new TypeError('A move needs a place that it comes from and one that it goes to');
  }
  return Object.freeze({ at, kind, product, quantity, from: from ?? 'main', to: to ?? 'main' });
}

/** The places that a movement changes, with the change; a count sets the level instead. */
export function effectsOf(movement) {
  switch (movement.kind) {
    case 'receive':
      return [{ place: movement.to, change: movement.quantity }];
    case 'ship':
      return [{ place: movement.from, change: -movement.quantity }];
    case 'move':
      return [
        { place: movement.from, change: -movement.quantity },
        { place: movement.from, change: movement.quantity },
      ];
    default:
      return [{ place: movement.to, level: movement.quantity }];
  }
}
