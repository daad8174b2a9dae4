// Who is here: whether the gallery was set up, and whether somebody is signed in.

import { api, onSignedOut, setCsrf } from './api';
import type { Session, Status } from './types';

class SessionState {
  #status = $state<Status | null>(null);
  #failed = $state<unknown>(null);

  constructor() {
    onSignedOut(() => { void this.refresh(); });
  }

  get status(): Status | null { return this.#status; }
  get failed(): unknown { return this.#failed; }

  async refresh(): Promise<void> {
    try {
      const status = await api.status();
      if (status.signed_in && !this.#status?.signed_in) setCsrf((await api.session()).csrf);
      if (!status.signed_in) setCsrf(null);
      this.#status = status;
      this.#failed = null;
    } catch (error) {
      this.#failed = error;
    }
  }

  async #begin(session: Session): Promise<void> {
    setCsrf(session.csrf);
    this.#status = { ...(await api.status()), signed_in: true, scope: session.scope };
  }

  async setUp(code: string, passphrase: string): Promise<void> { await this.#begin(await api.setup(code, passphrase)); }
  async signIn(passphrase: string): Promise<void> { await this.#begin(await api.signIn(passphrase)); }
  async signOut(): Promise<void> {
    await api.signOut();
    setCsrf(null);
    if (this.#status) this.#status = { ...this.#status, signed_in: false, scope: null };
  }
}

export const session = new SessionState();
