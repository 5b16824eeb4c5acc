"""Spectra by NumPy's FFT."""

import numpy as np


def spectrum(signals):
    return np.abs(np.fft.rfft(signals, axis=1)).max(axis=1)


def main():
    signals = np.random.default_rng(3).random((400, 8192), dtype=np.float32)
    peak = 0.0
    for _ in range(25):
        peak = max(peak, float(spectrum(signals).max()))
    print(peak > 0)


if __name__ == "__main__":
    main()
