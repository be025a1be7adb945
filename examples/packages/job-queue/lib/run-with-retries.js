/** Runs a job until it succeeds, at most `attempts` times; the last failure is thrown. */
export async function runWithRetries(job, attempts, onRetry = () => {}) {
  let failure;
  for (let attempt = 1; attempt <= attempts; attempt += 1) {
    try {
      return job(attempt);
    } catch (error) {
      failure = error;
      if (attempt < attempts) onRetry(attempt, error);
    }
  }
  throw failure;
}
