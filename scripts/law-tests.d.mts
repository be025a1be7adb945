export function lawTests(): Map<string, Set<string>>;
export function withLawTests(page: string): string;
