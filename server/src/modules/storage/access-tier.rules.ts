// Tiers of blobs: kept and shown. Where a blob lies is the same for all, so what changes how a blob is read (Archive) is refused.

export const accessTiers = ['Hot', 'Cool', 'Cold'] as const;
export type AccessTier = (typeof accessTiers)[number];
