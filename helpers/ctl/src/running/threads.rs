//! Runs many small tasks, most of whose time is spent in the kernel, on as many threads as are useful.

/// The least number of tasks for which another thread is worth its cost.
const PER_THREAD: usize = 64;

/// The results of `work` for `items`, in order. When it returns, its threads have ended.
pub fn each<T: Sync, R: Send>(items: &[T], work: impl Fn(&T) -> R + Sync) -> Vec<R> {
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    let share = items.len().div_ceil(processors).max(PER_THREAD);
    let work = &work;
    std::thread::scope(|scope| {
        let threads: Vec<_> = items
            .chunks(share)
            .map(|part| scope.spawn(move || part.iter().map(work).collect::<Vec<_>>()))
            .collect();
        let parts = threads.into_iter().filter_map(|thread| thread.join().ok());
        parts.flatten().collect()
    })
}

#[cfg(test)]
mod tests {
    #[test]
    fn every_item_is_done_and_keeps_its_place() {
        for count in [0, 1, 63, 1000] {
            let items: Vec<usize> = (0..count).collect();
            let expected: Vec<usize> = items.iter().map(|item| item * 2).collect();
            assert_eq!(super::each(&items, |item| item * 2), expected);
        }
    }
}
