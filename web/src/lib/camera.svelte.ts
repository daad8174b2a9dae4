// The camera: asks for it, says in words why it cannot be had, and gives its frames.

import { t } from '../texts';

export type CameraProblem = { text: string; hint: string };

export class Camera {
  #stream: MediaStream | null = null;
  #full = document.createElement('canvas');
  #small = document.createElement('canvas');
  state = $state<'off' | 'starting' | 'on'>('off');
  problem = $state<CameraProblem | null>(null);
  /** A camera that looks at whoever sits before it is shown as a mirror. */
  mirrored = $state(true);

  /** Whether the browser gives pages at this address a camera at all. */
  static get allowed(): boolean { return isSecureContext && Boolean(navigator.mediaDevices?.getUserMedia); }

  async start(video: HTMLVideoElement): Promise<boolean> {
    if (!Camera.allowed) { this.problem = { text: t.add.insecure, hint: t.add.insecureHint }; return false; }
    this.state = 'starting';
    this.problem = null;
    try {
      const stream = await navigator.mediaDevices.getUserMedia({
        audio: false, video: { facingMode: 'user', width: { ideal: 1280 }, height: { ideal: 720 } },
      });
      if (this.state !== 'starting') { stream.getTracks().forEach((track) => track.stop()); return false; }
      this.#stream = stream;
      const track = stream.getVideoTracks()[0];
      this.mirrored = track?.getSettings().facingMode !== 'environment';
      track?.addEventListener('ended', () => { this.stop(); this.problem = { text: t.add.noCamera, hint: t.add.noCameraHint }; });
      video.srcObject = stream;
      await video.play();
      this.state = 'on';
      return true;
    } catch (error) {
      this.stop();
      const name = error instanceof DOMException ? error.name : '';
      this.problem = name === 'NotAllowedError' || name === 'SecurityError' ? { text: t.add.denied, hint: t.add.deniedHint }
        : name === 'NotReadableError' || name === 'AbortError' ? { text: t.add.cameraBusy, hint: t.add.cameraBusyHint }
          : { text: t.add.noCamera, hint: t.add.noCameraHint };
      return false;
    }
  }

  stop(): void {
    this.#stream?.getTracks().forEach((track) => track.stop());
    this.#stream = null;
    this.state = 'off';
  }

  /** The frame of this moment, small, for looking at; with `whole` also as the camera gave it, for `photo`. */
  grab(video: HTMLVideoElement, width: number, whole = false): HTMLCanvasElement | null {
    const { videoWidth: w, videoHeight: h } = video;
    if (!w || !h) return null;
    if (whole) draw(video, this.#full, w, h);
    draw(whole ? this.#full : video, this.#small, Math.min(width, w), Math.round((h * Math.min(width, w)) / w));
    return this.#small;
  }

  /** The last grabbed frame at the camera's own size. */
  photo(): Promise<Blob | null> { return toJpeg(this.#full, 0.92); }
}

function draw(from: CanvasImageSource, to: HTMLCanvasElement, w: number, h: number): void {
  // Setting a size clears a canvas and takes it anew, even if it is the same.
  if (to.width !== w) to.width = w;
  if (to.height !== h) to.height = h;
  // It is read at once: on the processor, without a way over the graphics card.
  to.getContext('2d', { willReadFrequently: true, alpha: false })!.drawImage(from, 0, 0, w, h);
}

export const toJpeg = (canvas: HTMLCanvasElement, quality: number): Promise<Blob | null> =>
  new Promise((resolve) => canvas.toBlob(resolve, 'image/jpeg', quality));

/** A picture that the browser reads and the server may not (HEIC on Apple's systems), as JPEG; null if it cannot either. */
export async function asJpeg(blob: Blob): Promise<Blob | null> {
  try {
    const bitmap = await createImageBitmap(blob);
    const canvas = document.createElement('canvas');
    canvas.width = bitmap.width; canvas.height = bitmap.height;
    canvas.getContext('2d')!.drawImage(bitmap, 0, 0);
    bitmap.close();
    return await toJpeg(canvas, 0.92);
  } catch {
    return null;
  }
}
