//! Vassals without workers: routers, cron, spoolers, mules, Emperors below the Emperor.
