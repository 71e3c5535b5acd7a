import { afterEach, beforeEach, expect, test } from 'vitest';
import { postgresTuning } from '../../embedded/src/postgres-tuning.js';
import { gone, type Scratch, scratch, startLauncher, stubLauncher, usingSql } from './harness.js';

let place: Scratch;
let stop: () => void;

beforeEach(async () => {
  place = await scratch();
  const launcher = startLauncher({ entry: stubLauncher, environment: place.environment });
  stop = () => launcher.process.kill('SIGKILL');
  await launcher.line(/^eventsieve is ready$/);
});

afterEach(async () => {
  stop();
  await gone(place.dataDir);
  place.remove();
});

test('every commit is durable: read back over SQL, and not to be turned off', async () => {
  await usingSql(place, async (client) => {
    await client.query('alter system set fsync = off');
    await client.query('select pg_reload_conf()');
    const wanted = { fsync: 'on', full_page_writes: 'on', synchronous_commit: 'on', data_checksums: 'on' };
    for (const [name, value] of Object.entries(wanted)) {
      expect({ [name]: (await client.query(`show ${name}`)).rows[0][name] }).toEqual({ [name]: value });
    }
  });
});

test('files of the log that were written once stay to be written over, so that commits do not wait for new ones', async () => {
  await usingSql(place, async (client) => {
    const files = async () => Number((await client.query('select count(*) from pg_ls_waldir()')).rows[0].count);
    const before = await files();
    const write = async (count: number) => {
      for (let file = 0; file < count; file++) {
        await client.query('create table log_filler (); drop table log_filler');
        await client.query('select pg_switch_wal()');
      }
    };
    // More than the five that Postgres keeps if nobody tells it to.
    const written = 10;
    await write(written);
    // With each checkpoint that finds little it expects less of the next one, and would remove what it has written.
    for (let quiet = 0; quiet < 30; quiet++) {
      await client.query('checkpoint');
      await write(1);
    }
    expect(await files()).toBeGreaterThanOrEqual(before + written - 1);
  });
});

test('what it is set to for many writes is what it has', async () => {
  await usingSql(place, async (client) => {
    for (const [name, value] of Object.entries(postgresTuning)) {
      expect({ [name]: (await client.query(`show ${name}`)).rows[0][name] }).toEqual({ [name]: value });
    }
  });
});
