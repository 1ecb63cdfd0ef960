//! How long the lock of a killed owner is out of reach: from the kill to the commit of a writer that
//! was waiting for it.

use std::sync::mpsc;
use std::time::{Duration, Instant};

use shm_core::SharedBox;
use shm_tests::Guard;

use crate::Orders;
use crate::log::Log;
use crate::value::Random;
use crate::worker::{self, Role};

/// Kills so many processes that commit with the lock held.
pub fn measure<const N: usize>(
    guard: &Guard,
    orders: Orders,
    shared: &SharedBox<[u64; N]>,
    samples: u64,
) -> Result<Vec<Duration>, Box<dyn std::error::Error>> {
    let mut random = Random(orders.seed);
    let log = Log::create()?;
    let mut times = Vec::new();
    std::thread::scope(|scope| -> Result<(), Box<dyn std::error::Error>> {
        let (ask, asked) = mpsc::channel::<()>();
        let (done, finished) = mpsc::channel();
        scope.spawn(move || {
            while asked.recv().is_ok() {
                let committed = shared.update(|_| ()).map(|_| Instant::now());
                if done.send(committed).is_err() {
                    return;
                }
            }
        });
        for _ in 0..samples {
            let holder = worker::Orders {
                role: Role::Holder,
                key: guard.key(),
                size: orders.size,
                seed: random.next(),
                log: log.id(),
            };
            let mut holder = holder.spawn()?;
            while log.logged() == 0 {
                std::thread::sleep(Duration::from_micros(100));
            }
            ask.send(())?;
            std::thread::sleep(Duration::from_micros(500 + random.below(3000)));
            let start = Instant::now();
            holder.kill()?;
            let committed = finished.recv()??;
            times.push(committed.saturating_duration_since(start));
            holder.wait()?;
            log.take_counts();
        }
        Ok(())
    })?;
    Ok(times)
}
