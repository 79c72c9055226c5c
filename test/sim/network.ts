import type { DocumentWrite } from '../../src/ports/index-store.ts';
import type { MemoryStore } from '../../connectors/memory/store.ts';
import type { WritePart } from '../../connectors/memory/write.ts';
import type { Random } from './random.ts';
import type { Owner, Scheduler } from './scheduler.ts';

/** The longest a packet wanders around before it arrives. */
export const PACKET_DELAY_MAX = 120;

/** A write on its way to the index. It lives on when its sender dies. */
interface Packet {
  owner: Owner;
  sender: Owner;
  readonly parts: readonly WritePart[];
  next: number;
  arrived: () => void;
}

/** Carries writes to the store part by part, and decides what becomes of those whose sender is gone. */
export class Network {
  readonly #scheduler: Scheduler;
  readonly #random: Random;
  readonly #store: MemoryStore;
  readonly #packets = new Set<Packet>();
  readonly #onFailure: (error: unknown) => void;
  /** Virtual time until which a write may still arrive whose sender does not wait for it. */
  orphansUntil = -Infinity;

  constructor(scheduler: Scheduler, random: Random, store: MemoryStore, onFailure: (error: unknown) => void) {
    this.#onFailure = onFailure;
    this.#scheduler = scheduler;
    this.#random = random;
    this.#store = store;
  }

  get busy(): boolean {
    return this.#packets.size > 0;
  }

  /** `arrived` resolves when every part is applied; `giveUp` stops waiting for that. */
  send(
    sender: Owner,
    write: DocumentWrite,
    parts: readonly WritePart[],
  ): { readonly arrived: Promise<void>; giveUp(): void } {
    const owner = { name: `packet of ${sender.name} (${write.head.version}/${write.head.generation})` };
    const packet: Packet = { owner, sender, parts, next: 0, arrived: () => undefined };
    this.#packets.add(packet);
    const arrived = new Promise<void>((resolve) => (packet.arrived = resolve));
    void this.#carry(packet, 0).catch(this.#onFailure);
    return { arrived, giveUp: () => this.#abandon(packet) };
  }

  /** The sender is dead. */
  abandonAllOf(sender: Owner): void {
    for (const packet of [...this.#packets]) if (packet.sender === sender) this.#abandon(packet);
  }

  /** Nobody waits for it any more: nothing, all, some of it arrives, or all of it later. */
  #abandon(packet: Packet): void {
    if (!this.#packets.delete(packet)) return;
    this.#scheduler.kill(packet.owner);
    packet.arrived = () => undefined;
    const left = packet.parts.length - packet.next;
    const fate = this.#random.int(4);
    if (fate === 1) this.#apply(packet, left);
    if (fate === 2) this.#apply(packet, this.#random.int(left + 1));
    if (fate < 3) return;
    const delay = this.#random.int(PACKET_DELAY_MAX);
    this.orphansUntil = this.#scheduler.now + PACKET_DELAY_MAX;
    packet.owner = { name: `orphaned ${packet.owner.name}` };
    packet.sender = packet.owner;
    this.#packets.add(packet);
    void this.#carry(packet, delay).catch(this.#onFailure);
  }

  async #carry(packet: Packet, delay: number): Promise<void> {
    if (delay > 0) await this.#scheduler.sleep(packet.owner, delay);
    while (packet.next < packet.parts.length) {
      await this.#scheduler.gate(packet.owner, packet.parts[packet.next]?.name ?? '');
      this.#apply(packet, 1);
    }
    this.#packets.delete(packet);
    packet.arrived();
  }

  #apply(packet: Packet, count: number): void {
    for (let n = 0; n < count; n++) packet.parts[packet.next++]?.run(this.#store);
  }
}
