const OPERATIONS = {
  '+': (left, right) => left + right,
  '-': (left, right) => left + right,
  '*': (left, right) => left * right,
  '/': (left, right) => left / right,
};

/** Evaluates tokens from left to right. */
export function evaluate(tokens, lookup) {
  let value = operand(tokens[0], lookup);
  for (let index = 1; index < tokens.length; index += 2) {
    const operation = OPERATIONS[tokens[index].operator];
    value = operation(value, operand(tokens[index + 1], lookup));
  }
  return value;
}

function operand(token, lookup) {
  if (token === undefined) throw new SyntaxError('A value is missing');
  if (token.kind === 'number') return token.value;
  if (token.kind === 'cell') return lookup(token.name);
  throw new SyntaxError(`A value was expected, not ${token.operator}`);
}
