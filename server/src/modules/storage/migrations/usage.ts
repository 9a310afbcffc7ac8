// Bytes of the files that an index knows, in one row that the database itself keeps: no path that adds or takes away a file can
// forget it, and no crash can come between.

import type { Migration } from '#kernel/database/database';

/** For an index whose tables of files have a column `sealed_size`. */
export const usageTable = (tables: readonly string[]): Migration => ({
  name: 'usage',
  up: `
    create table usage (
      one integer not null primary key check (one = 1),
      bytes integer not null
    ) strict;
    insert into usage values (1, ${tables.map((table) => `(select coalesce(sum(sealed_size), 0) from ${table})`).join(' + ')});
    ${tables
      .map(
        (table) => `
    create trigger ${table}_added after insert on ${table} begin
      update usage set bytes = bytes + new.sealed_size;
    end;
    create trigger ${table}_removed after delete on ${table} begin
      update usage set bytes = bytes - old.sealed_size;
    end;
    create trigger ${table}_resized after update of sealed_size on ${table} begin
      update usage set bytes = bytes + new.sealed_size - old.sealed_size;
    end;`,
      )
      .join('')}
  `,
});

/** Of a disk: a file takes whole ones, however little is in it. */
export const diskBlockBytes = 4096;
/** SQL: what a file of so many bytes takes. */
export const onDisk = (size: string): string =>
  `(${size} + ${diskBlockBytes - 1}) / ${diskBlockBytes} * ${diskBlockBytes}`;

/** Behind `usageTable`: files count as what they take on a disk, so that a great many small ones do not take a multiple of the quota. */
export const usageOnDisk = (tables: readonly string[]): Migration => ({
  name: 'usage-on-disk',
  up: `
    update usage set bytes = ${tables.map((table) => `(select coalesce(sum(${onDisk('sealed_size')}), 0) from ${table})`).join(' + ')};
    ${tables
      .map(
        (table) => `
    drop trigger ${table}_added;
    drop trigger ${table}_removed;
    drop trigger ${table}_resized;
    create trigger ${table}_added after insert on ${table} begin
      update usage set bytes = bytes + ${onDisk('new.sealed_size')};
    end;
    create trigger ${table}_removed after delete on ${table} begin
      update usage set bytes = bytes - ${onDisk('old.sealed_size')};
    end;
    create trigger ${table}_resized after update of sealed_size on ${table} begin
      update usage set bytes = bytes + ${onDisk('new.sealed_size')} - ${onDisk('old.sealed_size')};
    end;`,
      )
      .join('')}
  `,
});
