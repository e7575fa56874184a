//! A scan: a query and files in, record batches out, in bounded memory.

use std::sync::{Arc, OnceLock};

use arrow::array::RecordBatch;
use datafusion::datasource::provider_as_source;
use datafusion::logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder, cast, lit};
use datafusion::physical_plan::{ExecutionPlan, execute_stream};
use futures::StreamExt;
use store::{Store, Traffic};
use tokio::sync::mpsc::{self, Receiver, Sender};

use crate::bill::Delivery;
use crate::counters::Counters;
use crate::error::caught;
use crate::expr::Value;
use crate::query::{Query, Shape};
use crate::runtime::{Session, Task};
use crate::table::{self, Table};
use crate::translate::{Translator, key_name, named};
use crate::{Engine, Error, Result};

/// Values a batch should have: enough to amortise the work per batch, few enough that a batch of
/// 178 columns stays in the processor's second-level cache.
const BATCH_VALUES: usize = 256 * 1024;

/// Batches computed ahead of the caller.
const BATCHES_AHEAD: usize = 2;

/// What to read.
#[derive(Clone, Debug)]
pub struct Request {
    /// What to compute.
    pub query: Query,
    /// The values of the query's parameters.
    pub values: Vec<Value>,
    /// The most rows that come back, or `None` for all.
    pub limit: Option<usize>,
    /// The months to read.
    pub deliveries: Vec<Delivery>,
    /// Files read at the same time.
    pub concurrency: usize,
}

/// A scan under way, which gives batches or what is made of them. Dropping it stops the threads and
/// closes the connections.
#[derive(Debug)]
pub struct Scan<T = RecordBatch> {
    made: Receiver<Result<T>>,
    traffic: Arc<Traffic>,
    plan: Arc<OnceLock<Arc<dyn ExecutionPlan>>>,
    _reader: Task<()>,
}

impl Scan {
    /// Starts reading.
    pub fn start(engine: &Engine, store: &Store, request: Request) -> Self {
        Self::start_with(engine, store, request, |batch| batch)
    }
}

impl<T: Send + 'static> Scan<T> {
    /// Starts reading, and makes something of each batch while the next are decoded, in the engine's
    /// threads and one batch after the other.
    pub fn start_with(
        engine: &Engine,
        store: &Store,
        request: Request,
        make: impl FnMut(RecordBatch) -> T + Send + 'static,
    ) -> Self {
        let traffic = Arc::new(Traffic::default());
        let plan = Arc::new(OnceLock::new());
        let (sender, made) = mpsc::channel(BATCHES_AHEAD);
        let reader = Reader {
            session: engine.session(batch_rows(&request), request.concurrency),
            store: store.clone(),
            traffic: traffic.clone(),
            plan: plan.clone(),
            sender,
        };
        Self {
            made,
            traffic,
            plan,
            _reader: engine.spawn(reader.read(request, make)),
        }
    }

    /// The next batch, or what was made of it, or `None` after the last. Waits as [`Engine::wait`] does.
    ///
    /// # Errors
    /// Whatever reading a file raised; the scan is then over.
    pub fn next(&mut self, on_tick: impl FnMut()) -> Result<Option<T>> {
        Engine::wait(self.made.recv(), on_tick).transpose()
    }

    /// What was asked of the store so far.
    pub fn traffic(&self) -> &Traffic {
        &self.traffic
    }

    /// What was read and left out so far.
    pub fn counters(&self) -> Counters {
        self.plan.get().map_or_else(Counters::default, Counters::of)
    }
}

fn batch_rows(request: &Request) -> usize {
    let rows = (BATCH_VALUES / request.query.columns.len().max(1)).clamp(256, 8192);
    match (&request.query.shape, request.limit) {
        // A small batch is there sooner.
        (Shape::Rows(_), Some(limit)) if request.query.order.is_empty() => rows.min(limit.max(1)),
        _ => rows,
    }
}

struct Reader<T> {
    session: Session,
    store: Store,
    traffic: Arc<Traffic>,
    plan: Arc<OnceLock<Arc<dyn ExecutionPlan>>>,
    sender: Sender<Result<T>>,
}

impl<T> Reader<T> {
    async fn read(self, request: Request, make: impl FnMut(RecordBatch) -> T) {
        let failed = match caught(self.send_all(&request, make)).await {
            Ok(()) => return,
            Err(failed) => failed,
        };
        let error = match &failed {
            Error::Execution(_) => self.name_the_file(&request, failed).await,
            _ => failed,
        };
        // Nobody listens any more when sending fails, and then nobody needs the error.
        let _ = self.sender.send(Err(error)).await;
    }

    async fn send_all(
        &self,
        request: &Request,
        mut make: impl FnMut(RecordBatch) -> T,
    ) -> Result<()> {
        let plan = self.plan(request).await.map_err(|failed| {
            // Nothing was read yet.
            let known = failed.without_file();
            known.unwrap_or_else(|| failed.of_no_file(&self.store))
        })?;
        let context = self.session.context();
        let mut stream = execute_stream(plan.clone(), context)?;
        // Only a plan that runs has counters.
        let _ = self.plan.set(plan);
        while let Some(batch) = stream.next().await {
            if self.sender.send(Ok(make(batch?))).await.is_err() {
                return Ok(());
            }
        }
        Ok(())
    }

    /// Nothing that DataFusion raises says which file it was reading. So the rows that the query
    /// needs are read again, file by file, until one fails alone.
    async fn name_the_file(&self, request: &Request, failed: Error) -> Error {
        if let Some(failure) = self.traffic.failure() {
            return Error::Store(failure.clone());
        }
        if let Some(error) = failed.without_file() {
            return error;
        }
        for delivery in &request.deliveries {
            for file in &delivery.files {
                let alone = Request {
                    query: request.query.rows_only(),
                    values: request.values.clone(),
                    limit: None,
                    deliveries: vec![Delivery {
                        files: vec![file.clone()],
                        ..delivery.clone()
                    }],
                    concurrency: 1,
                };
                if let Err(failed) = caught(self.read_through(&alone)).await {
                    let kind = delivery.kind(file);
                    return failed.of_file(&self.store, &file.key, kind, &self.traffic);
                }
            }
        }
        failed.of_no_file(&self.store)
    }

    async fn read_through(&self, request: &Request) -> Result<()> {
        let plan = self.plan(request).await?;
        let mut stream = execute_stream(plan, self.session.context())?;
        while let Some(batch) = stream.next().await {
            batch?;
        }
        Ok(())
    }

    async fn plan(&self, request: &Request) -> Result<Arc<dyn ExecutionPlan>> {
        let table = Table::new(
            &self.store,
            &request.query.columns,
            &request.deliveries,
            request.concurrency,
            self.traffic.clone(),
        )?;
        let logical = logical_plan(table, request)?;
        Ok(self.session.physical_plan(&logical).await?)
    }
}

/// Filters, groups, order, limit, and the kinds the caller asked for.
fn logical_plan(table: Table, request: &Request) -> Result<LogicalPlan> {
    let query = &request.query;
    let names = table::names(&query.columns);
    let translator = Translator {
        query,
        values: &request.values,
        names: &names,
    };
    let source = provider_as_source(Arc::new(table));
    let mut plan = LogicalPlanBuilder::scan("bill", source, None)?;
    for filter in &query.filters {
        plan = plan.filter(translator.expr(filter)?)?;
    }
    if let Shape::Groups { keys, aggregates } = &query.shape {
        let keys = keys.iter().enumerate().map(|(i, k)| translator.key(i, k));
        let aggregates = aggregates.iter().enumerate();
        let aggregates = aggregates.map(|(i, a)| translator.aggregate(i, a));
        plan = plan.aggregate(
            keys.collect::<Result<Vec<_>>>()?,
            aggregates.collect::<Result<Vec<_>>>()?,
        )?;
    }
    if !query.order.is_empty() {
        let order = query.order.iter().map(|o| translator.order(o));
        plan = plan.sort_with_limit(order.collect::<Result<Vec<_>>>()?, request.limit)?;
    }
    if let Some(limit) = request.limit {
        plan = plan.limit(0, Some(limit))?;
    }
    Ok(plan.project(output(&translator, &names))?.build()?)
}

fn output(translator: &Translator<'_>, names: &[String]) -> Vec<Expr> {
    match &translator.query.shape {
        // A batch without columns would have no rows to count.
        Shape::Rows(returned) if returned.is_empty() => vec![lit(true)],
        Shape::Rows(returned) => returned.iter().map(|i| named(names[*i].clone())).collect(),
        Shape::Groups { keys, aggregates } => {
            let keys = keys.iter().enumerate();
            let keys = keys.map(|(i, key)| cast(named(key_name(i)), key.kind.arrow()));
            let aggregates = aggregates.iter().enumerate();
            let aggregates = aggregates.map(|(i, a)| translator.finished(i, a));
            let outputs = keys.chain(aggregates).enumerate();
            let outputs: Vec<_> = outputs
                .map(|(i, output)| output.alias(format!("\0o{i}")))
                .collect();
            match outputs.is_empty() {
                true => vec![lit(true)],
                false => outputs,
            }
        }
    }
}
