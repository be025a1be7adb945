import assert from 'node:assert/strict';
import { test } from 'node:test';
import { JobQueue, runWithRetries } from '../lib/index.js';

function deferred() {
  const result = {};
  result.promise = new Promise((resolve, reject) => Object.assign(result, { resolve, reject }));
  return result;
}

test('returns what a job returns', async () => {
  const queue = new JobQueue();
  assert.equal(await queue.add(() => 'done'), 'done');
  assert.equal(await queue.add(async () => 42), 42);
});

test('runs one job at a time by default', async () => {
  const queue = new JobQueue();
  const gate = deferred();
  const first = queue.add(() => gate.promise);
  const second = queue.add(() => 'second');
  assert.equal(queue.active, 1);
  assert.equal(queue.waiting, 1);
  gate.resolve('first');
  assert.deepEqual(await Promise.all([first, second]), ['first', 'second']);
});

test('never runs more jobs than it may', async () => {
  const queue = new JobQueue({ concurrency: 3 });
  let running = 0;
  let most = 0;
  const job = async () => {
    running += 1;
    most = Math.max(most, running);
    await new Promise((resolve) => setImmediate(resolve));
    running -= 1;
  };
  await Promise.all(Array.from({ length: 10 }, () => queue.add(job)));
  assert.equal(most, 3);
});

test('tries a failed job again', async () => {
  const queue = new JobQueue({ attempts: 3 });
  let calls = 0;
  const job = async () => {
    calls += 1;
    if (calls < 3) throw new Error(`failure ${calls}`);
    return calls;
  };
  assert.equal(await queue.add(job), 3);
  assert.equal(queue.retries, 2);
});

test('gives up after the last attempt with the last failure', async () => {
  const queue = new JobQueue({ attempts: 2 });
  let calls = 0;
  const job = async () => {
    calls += 1;
    throw new Error(`failure ${calls}`);
  };
  await assert.rejects(queue.add(job), /failure 2/);
  assert.equal(calls, 2);
});

test('tells a job which attempt it is', async () => {
  const seen = [];
  await runWithRetries((attempt) => seen.push(attempt), 5);
  assert.deepEqual(seen, [1]);
});

test('goes on after a job that failed', async () => {
  const queue = new JobQueue();
  const failing = queue.add(() => {
    throw new Error('no');
  });
  const next = queue.add(() => 'yes');
  await assert.rejects(failing, /no/);
  assert.equal(await next, 'yes');
});

test('says when it is idle', async () => {
  const queue = new JobQueue({ concurrency: 2 });
  const results = [];
  for (const value of [1, 2, 3]) void queue.add(async () => results.push(value));
  await queue.onIdle();
  assert.deepEqual(results, [1, 2, 3]);
  await queue.onIdle();
});

test('cancels a job that has not begun', async () => {
  const queue = new JobQueue();
  const gate = deferred();
  const first = queue.add(() => gate.promise);
  const second = queue.add(() => 'second', { id: 'second' });
  second.catch(() => {});
  queue.add(() => 'third', { id: 'third' }).catch(() => {});
  assert.equal(queue.cancel('third'), true);
  assert.equal(queue.cancel('unknown'), false);
  gate.resolve();
  await first;
  assert.equal(await second, 'second');
});
