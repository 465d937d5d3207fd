// The people of one room: members as far as they are known, their count, and who is typing.
//
// The count is the node's word and may be higher than the members known; the rest comes in pages.

/** A `typing` frame counts for this long. */
export const TYPING_MS = 6_000;

/** Members and typing of one room. */
export class People {
  constructor() {
    /** @type {Map<string, {id: string, name: string, bot?: boolean}>} */
    this.members = new Map();
    this.count = 0;
    /** Where the next page begins; undefined before the first page. */
    this.cursor = undefined;
    this.loading = false;
    /** The last page that was asked for was refused: the next one is for the person to ask for. */
    this.hasFailed = false;
    /** @type {Map<string, {user: object, until: number}>} */
    this.typing = new Map();
  }

  /** True if more members are there than are known. */
  get hasMore() {
    return this.members.size < this.count && this.cursor !== null;
  }

  /** Takes the members of `joined`, which replace those known. */
  joined({ members = [], count = members.length }) {
    this.members = new Map(members.map((user) => [user.id, user]));
    this.count = count;
    this.cursor = undefined;
    this.loading = false;
    this.hasFailed = false;
  }

  /** Takes a page of members. */
  page({ members = [], count, cursor }) {
    for (const user of members) this.members.set(user.id, user);
    if (Number.isInteger(count)) this.count = count;
    this.cursor = cursor ?? null;
    this.loading = false;
  }

  /** Takes a change of presence. Without names, as in big rooms, only the count changes. */
  presence({ joined = [], left = [], renamed = [], count }) {
    for (const user of joined) this.members.set(user.id, user);
    for (const id of left) {
      this.members.delete(id);
      this.typing.delete(id);
    }
    for (const user of renamed) this.renamed(user);
    if (Number.isInteger(count)) this.count = count;
  }

  /** Takes a new name of somebody who is known here. */
  renamed(user) {
    if (this.members.has(user.id)) this.members.set(user.id, user);
    const typing = this.typing.get(user.id);
    if (typing) typing.user = user;
  }

  /** Notes that somebody types. */
  types(user, now) {
    this.typing.set(user.id, { user, until: now + TYPING_MS });
  }

  /** Notes that somebody's message came, so they no longer type. */
  spoke(id) {
    return this.typing.delete(id);
  }

  /** Drops who has not typed lately. Returns true if somebody was dropped. */
  expire(now) {
    let changed = false;
    for (const [id, { until }] of this.typing) {
      if (until <= now) changed = this.typing.delete(id) || changed;
    }
    return changed;
  }
}
