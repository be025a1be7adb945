import { foldStock } from './fold-stock.js';

/** Products that are below their minimum, the worst shortage first. */
export function findShortages(movements, minimums) {
  const levels = foldStock(movements);
  return Object.entries(minimums)
    .map(([product, minimum]) => {
      const places = levels.get(product) ?? new Map();
      const level = [...places.values()].reduce((sum, quantity) => sum + quantity, 0);
      return { product, level, missing: minimum - level };
    })
    .filter((entry) => entry.missing > 0)
    .sort((one, other) => other.missing - one.missing);
}

/** What came in and went out for each product. */
export function summarizeByProduct(movements) {
  return movements.reduce((summary, movement) => {
    const entry = (summary[movement.product] ??= { received: 0, shipped: 0 });
    if (movement.kind === 'receive') entry.received += movement.quantity;
    if (movement.kind === 'ship') entry.shipped += movement.quantity;
  }, {});
}
