//! The engine's threads, and the one place where the caller waits for them.

use std::future::Future;
use std::path::PathBuf;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::Thread;
use std::time::Duration;

use datafusion::common::DataFusionError;
use datafusion::execution::TaskContext;
use datafusion::execution::config::SessionConfig;
use datafusion::execution::disk_manager::{DiskManagerBuilder, DiskManagerMode};
use datafusion::execution::runtime_env::RuntimeEnvBuilder;
use datafusion::execution::session_state::{SessionState, SessionStateBuilder};
use datafusion::logical_expr::LogicalPlan;
use datafusion::physical_plan::ExecutionPlan;
use tokio::runtime::{Builder, Runtime};
use tokio::task::{JoinError, JoinHandle};

use crate::memory::Memory;
use crate::{Error, Result};

/// The longest time [`Engine::wait`] keeps control.
pub const TICK: Duration = Duration::from_millis(50);

/// Worker threads and the memory they may use. One per process, started at first use.
#[derive(Debug)]
pub struct Engine {
    runtime: Runtime,
    state: SessionState,
    memory: Arc<Memory>,
}

impl Engine {
    /// Starts `threads` worker threads that together hold at most `memory_limit` bytes in operators
    /// that buffer. What does not fit goes to files in `spill_directory`, or is an error without one.
    ///
    /// Threads inherit the signal mask of the caller, who must have blocked all signals: a
    /// signal handler of Postgres must never run on them.
    ///
    /// # Errors
    /// [`Error::Threads`].
    pub fn start(
        threads: usize,
        memory_limit: usize,
        spill_directory: Option<PathBuf>,
    ) -> Result<Self> {
        let failed = |why: String| Error::Threads { why };
        let runtime = Builder::new_multi_thread()
            .worker_threads(threads.max(1))
            .thread_name("cur_fdw")
            .enable_all()
            .build()
            .map_err(|e| failed(e.to_string()))?;
        let memory = Arc::new(Memory::new(memory_limit));
        let spilling = match spill_directory {
            Some(directory) => DiskManagerMode::Directories(vec![directory]),
            None => DiskManagerMode::Disabled,
        };
        let environment = RuntimeEnvBuilder::new()
            .with_memory_pool(memory.clone())
            .with_disk_manager_builder(DiskManagerBuilder::default().with_mode(spilling))
            .build_arc()
            .map_err(|e| failed(e.to_string()))?;
        let state = SessionStateBuilder::new()
            .with_config(configuration())
            .with_runtime_env(environment)
            .build();
        Ok(Self {
            runtime,
            state,
            memory,
        })
    }

    /// The most bytes that operators buffered since the last call.
    pub fn take_peak_memory(&self) -> usize {
        self.memory.take_peak()
    }

    /// Runs `work` on the engine's threads and waits for it as [`Engine::wait`] does.
    ///
    /// # Errors
    /// What `work` returns, or [`Error::Threads`] when it panicked.
    pub fn run<T: Send + 'static>(
        &self,
        work: impl Future<Output = Result<T>> + Send + 'static,
        on_tick: impl FnMut(),
    ) -> Result<T> {
        match Self::wait(self.spawn(work), on_tick) {
            Ok(result) => result,
            Err(panic) => Err(Error::Threads {
                why: panic.to_string(),
            }),
        }
    }

    /// Polls `future` on the caller's thread, calling `on_tick` at least every [`TICK`] while it
    /// is pending. `on_tick` may unwind: the future is then dropped.
    ///
    /// Only futures that need no reactor may be waited for: channels and join handles.
    pub fn wait<F: Future>(future: F, mut on_tick: impl FnMut()) -> F::Output {
        let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
        let mut context = Context::from_waker(&waker);
        let mut future = pin!(future);
        loop {
            if let Poll::Ready(output) = future.as_mut().poll(&mut context) {
                return output;
            }
            std::thread::park_timeout(TICK);
            on_tick();
        }
    }

    pub(crate) fn spawn<T: Send + 'static>(
        &self,
        work: impl Future<Output = T> + Send + 'static,
    ) -> Task<T> {
        Task::of(self.runtime.spawn(work))
    }

    /// What planning and running one query needs.
    pub(crate) fn session(&self, batch_rows: usize, concurrency: usize) -> Session {
        let config = self.state.config().clone();
        let config = config
            .with_batch_size(batch_rows)
            .with_target_partitions(concurrency.max(1));
        Session {
            state: SessionStateBuilder::new_from_existing(self.state.clone())
                .with_config(config)
                .build(),
        }
    }
}

fn configuration() -> SessionConfig {
    let mut config = SessionConfig::new();
    // It allocates for the whole LIMIT at once, however large, past the memory pool.
    config.options_mut().optimizer.enable_topk_aggregation = false;
    let parquet = &mut config.options_mut().execution.parquet;
    // Columns of rows that a filter removes are not decoded.
    parquet.pushdown_filters = true;
    parquet.reorder_filters = true;
    // AWS writes no Bloom filters; looking for them costs requests.
    parquet.bloom_filter_on_read = false;
    config
}

/// Planning and running one query.
pub(crate) struct Session {
    state: SessionState,
}

impl Session {
    pub(crate) async fn physical_plan(
        &self,
        plan: &LogicalPlan,
    ) -> std::result::Result<Arc<dyn ExecutionPlan>, DataFusionError> {
        self.state.create_physical_plan(plan).await
    }

    pub(crate) fn context(&self) -> Arc<TaskContext> {
        self.state.task_ctx()
    }
}

/// Work under way; dropping it stops the work and closes its connections.
#[derive(Debug)]
pub(crate) struct Task<T>(JoinHandle<T>);

impl<T> Task<T> {
    pub(crate) fn of(handle: JoinHandle<T>) -> Self {
        Self(handle)
    }
}

impl<T> Future for Task<T> {
    type Output = std::result::Result<T, JoinError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.0).poll(context)
    }
}

impl<T> Drop for Task<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::time::Instant;

    fn engine() -> Engine {
        Engine::start(1, 1 << 20, None).unwrap()
    }

    #[test]
    fn a_cancel_ends_a_wait_for_something_that_never_comes() {
        struct Dropped(Arc<AtomicBool>);
        impl Drop for Dropped {
            fn drop(&mut self) {
                self.0.store(true, Ordering::SeqCst);
            }
        }
        let dropped = Arc::new(AtomicBool::new(false));
        let guard = Dropped(dropped.clone());
        let hung = async move {
            let _guard = guard;
            std::future::pending::<()>().await;
            Ok(())
        };
        let engine = engine();
        let started = Instant::now();
        let cancelled = catch_unwind(AssertUnwindSafe(|| engine.run(hung, || panic!("cancel"))));
        assert!(cancelled.is_err());
        assert!(started.elapsed() < Duration::from_secs(1));
        while !dropped.load(Ordering::SeqCst) {
            assert!(
                started.elapsed() < Duration::from_secs(5),
                "the work goes on"
            );
            std::thread::yield_now();
        }
    }

    #[test]
    fn a_panic_on_a_worker_thread_is_an_error() {
        let result = engine().run::<()>(async { panic!("worker") }, || {});
        assert!(matches!(result, Err(Error::Threads { .. })));
    }
}
