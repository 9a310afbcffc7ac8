// What is told of the disk of the data folder.

import type { Room } from '#kernel/files/room';
import { gauge } from '#kernel/telemetry/meter';
import type { Telemetry } from '#kernel/telemetry/telemetry';

export const filesMeters = {
  free: gauge({ name: 'strongroom_disk_free_bytes', help: 'Free space on the disk of the data folder' }),
  size: gauge({ name: 'strongroom_disk_size_bytes', help: 'Size of the disk of the data folder' }),
  mark: gauge({
    name: 'strongroom_disk_mark_bytes',
    help: 'Free space below which nothing that grows is stored',
  }),
} as const;

export function meterDisk(telemetry: Telemetry, room: Pick<Room, 'space'>): void {
  telemetry.gauge(filesMeters.free, () => room.space().freeBytes);
  telemetry.gauge(filesMeters.size, () => room.space().totalBytes);
  telemetry.gauge(filesMeters.mark, () => room.space().markBytes);
}
