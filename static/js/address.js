// The room in the page's address.

import { hashOfRoom, roomName, roomOfHash } from './names.js';

/** Turns the model to the room that the address names, and the address to what the node calls it. */
export class Address {
  constructor(model) {
    this.model = model;
    /** Code of what is wrong with the address, or null. */
    this.fault = null;
    this.routed = '';
  }

  /** Asks for a room by its address; `null` for none. */
  turnTo(name) {
    location.hash = name === null ? '#/' : hashOfRoom(name);
  }

  /** Turns to the room so many places further down the list. */
  step(by) {
    const { model } = this;
    const names = [...model.rooms.keys()];
    const name = names[(names.indexOf(model.current) + by + names.length) % names.length];
    if (name !== undefined) this.turnTo(name);
  }

  /** Takes the room from the address. */
  route() {
    const { model } = this;
    this.routed = location.hash;
    const asked = roomOfHash(this.routed);
    const name = asked ? roomName(asked) : null;
    this.fault = asked && !name ? 'bad_name' : null;
    if (name && !model.add(name)) this.fault = 'too_many_rooms';
    model.open(this.fault ? null : name);
  }

  /** Names a room where the address names none. */
  begin(name) {
    if (!roomOfHash(location.hash) && name !== undefined) history.replaceState(null, '', hashOfRoom(name));
  }

  /** The node may know the room by another spelling. A room that was asked for and not yet turned to is left alone. */
  draw() {
    const { current } = this.model;
    if (this.fault || current === null || location.hash !== this.routed) return;
    if (roomName(roomOfHash(this.routed)) === current) return;
    this.routed = hashOfRoom(current);
    history.replaceState(null, '', this.routed);
  }
}
