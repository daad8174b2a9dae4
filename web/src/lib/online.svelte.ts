// Whether the server answers: every answer says so, and while none comes it is asked every few seconds.

class Online {
  #answers = $state(true);
  #timer: ReturnType<typeof setInterval> | undefined;

  get answers(): boolean { return this.#answers; }

  tell(answers: boolean): void {
    if (answers === this.#answers) return;
    this.#answers = answers;
    clearInterval(this.#timer);
    if (!answers) this.#timer = setInterval(() => { fetch('./healthz', { cache: 'no-store' }).then(() => this.tell(true), () => {}); }, 3000);
  }
}

export const online = new Online();
