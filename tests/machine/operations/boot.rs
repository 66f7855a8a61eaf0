//! Vassals that fail: at boot, again and again, mended while they wait.
