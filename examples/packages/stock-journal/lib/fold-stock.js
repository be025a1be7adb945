import { effectsOf } from './movement.js';

/** Folds movements into levels: a map from product to a map from place to quantity. */
export function foldStock(movements) {
  const levels = new Map();
  for (const movement of inOrder(movements)) {
    const places = levels.get(movement.product) ?? new Map();
    for (const effect of effectsOf(movement)) {
      const before = places.get(effect.place) ?? 0;
      places.set(effect.place, effect.level ?? before + effect.change);
    }
    levels.set(movement.product, places);
  }
  return levels;
}

/** The level of one product at a moment, everywhere or in one place. */
export function stockAt(movements, product, moment, place) {
  const places = foldStock(movements.filter((movement) => movement.at <= moment)).get(product) ?? new Map();
  if (place !== undefined) return places.get(place) ?? 0;
  return [...places.values()].reduce((sum, quantity) => sum + quantity, 0);
}

function inOrder(movements) {
  return movements.sort((one, other) => one.at - other.at);
}
