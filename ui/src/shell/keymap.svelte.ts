/** Whether the map of the keys is open. */
class KeyMapState {
  open = $state(false);
}

export const keyMap = new KeyMapState();
