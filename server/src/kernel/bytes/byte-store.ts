// Bytes below sealing: whole objects by name, one store for each owner. A port, because where they lie is nobody's business
// above it: a folder today, another machine's objects tomorrow. What comes here is sealed already; a store sees names that say
// nothing and bytes that mean nothing, and decides nothing. Every implementation passes byte-store.contract.ts.

export type ByteStores = {
  /** The store of an owner, made where there is none: `storage/{id}`, `registry/{id}`. */
  open(owner: string): Promise<ByteStore>;
  /** Removes an owner's store with all that it holds. Nothing of it is in use; removing it again is nothing. */
  remove(owner: string): Promise<void>;
};

export type ByteStore = {
  /**
   * Begins an object. It never changes: a name that is there, or is being written, is refused (`ObjectExists`). Throws Failure
   * `full` while there is no room for what grows.
   */
  put(name: string): Promise<ByteWriter>;
  /** Throws Failure `notFound` ObjectMissing. Whoever opens, closes. */
  get(name: string): Promise<ByteReader>;
  /** In bytes; undefined when there is no such object. */
  size(name: string): Promise<number | undefined>;
  /** Every object that is there throughout, once each and in no order; never one that is still being written. */
  list(): AsyncIterable<string>;
  /**
   * Afterwards it is not there, whether or not it was. Not durable: after a power cut a removed object may be there again, so
   * whoever keeps the list of what should be there compares (`list`). One that is being read is kept for its readers or fails
   * them; it is never another's bytes.
   */
  remove(name: string): Promise<void>;
  /** Removes what is left of writes that neither ended nor can go on, as after a crash, and says how many. Never one under way. */
  sweep(): Promise<number>;
};

/** One step at a time. Whoever began commits or aborts; after a step that failed only `abort` is left. */
export type ByteWriter = {
  /** Appends. The chunk is the caller's again once this resolves. */
  write(chunk: Uint8Array): Promise<void>;
  /** Once it resolves the whole object is there, for everybody and after a power cut too. If it throws, nothing of it is seen. */
  commit(): Promise<void>;
  /** Nothing of it is left. Does nothing after a commit, so that it can stand in `finally`. */
  abort(): Promise<void>;
};

export type ByteReader = {
  /** Of the whole object. */
  readonly size: number;
  /** Fills `into` with what begins at `offset`, and says how many bytes: fewer than it holds only where the object ends. */
  read(offset: number, into: Uint8Array): Promise<number>;
  close(): Promise<void>;
};
