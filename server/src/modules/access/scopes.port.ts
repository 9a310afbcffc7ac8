// What there is to be assigned at, asked of whoever knows: access knows ids, and not what stands behind them.

export type Scopes = {
  /**
   * Throws `notFound` unless the scope exists, or lies below a resource that does. A role at a name that nobody has yet would
   * wait for whoever takes the name.
   */
  require(scope: string): Promise<void>;
  /** Whether nothing is there, not even something that is being removed and may stay. Throws what looking throws. */
  isGone(scope: string): Promise<boolean>;
};
