//! What the user reads when something fails: SQLSTATE, object, fact and a hint.

use pgrx::PgSqlErrorCode as Code;
use pgrx::pg_sys::panic::ErrorReport;
use pgrx::{PgLogLevel, function_name};

/// A failure of the extension itself, or of a crate below it.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Reading failed.
    #[error(transparent)]
    Engine(#[from] engine::Error),
    /// An option that does not exist.
    #[error("invalid option \"{option}\" for a cur_fdw {object}")]
    UnknownOption {
        /// The option's name.
        option: String,
        /// `server`, `user mapping`, `foreign table`, `column`, `import` or `foreign-data wrapper`.
        object: &'static str,
        /// What to write instead.
        hint: String,
    },
    /// An option with a value it cannot have.
    #[error("invalid value for option \"{option}\": {why}")]
    BadOption {
        /// The option's name.
        option: &'static str,
        /// The reason; never a secret.
        why: String,
    },
    /// An option that must be there.
    #[error("{object} lacks the option \"{option}\"")]
    MissingOption {
        /// The server, mapping or table.
        object: String,
        /// The option's name.
        option: &'static str,
    },
    /// An option of another store than the server's `url` names.
    #[error("option \"{option}\" of {object} does not go with {scheme}")]
    StrayOption {
        /// The option's name.
        option: String,
        /// The server or mapping.
        object: String,
        /// The beginning of the server's URL.
        scheme: &'static str,
        /// What goes with it.
        hint: String,
    },
    /// A relation of the wrong kind.
    #[error("\"{relation}\" is not a foreign table of cur_fdw")]
    NotOurs {
        /// The relation's name.
        relation: String,
    },
    /// A server of another wrapper.
    #[error("server \"{server}\" does not exist or is not a cur_fdw server")]
    NoServer {
        /// The server's name.
        server: String,
    },
    /// No credentials for a server.
    #[error("no user mapping for role \"{role}\" on server \"{server}\"")]
    NoMapping {
        /// The role whose mapping is missing.
        role: String,
        /// The server's name.
        server: String,
        /// Whose store it is.
        provider: store::Provider,
    },
    /// An endpoint outside the allow-list.
    #[error("endpoint {endpoint} of server \"{server}\" is not in cur_fdw.allowed_endpoints")]
    EndpointNotAllowed {
        /// The endpoint.
        endpoint: String,
        /// The server's name.
        server: String,
    },
    /// `file://` without the right to read the server's files.
    #[error("role \"{role}\" may not read files of the database server for \"{server}\"")]
    NoServerFiles {
        /// The role.
        role: String,
        /// The server's name.
        server: String,
    },
    /// A column of a type the files cannot fill.
    #[error("column \"{column}\" of \"{relation}\" has type {found}, which cur_fdw cannot fill")]
    ColumnType {
        /// The column.
        column: String,
        /// The relation.
        relation: String,
        /// Its type.
        found: String,
    },
    /// A text that Postgres cannot store.
    #[error("column \"{column}\" holds a NUL byte, which PostgreSQL text cannot store")]
    NulByte {
        /// The column.
        column: String,
    },
    /// NULL where the table allows none.
    #[error("column \"{column}\" holds NULL, which the table to load does not allow")]
    NotNull {
        /// The column.
        column: String,
    },
    /// What a load wrote is not what it read.
    #[error("the files have {} rows of {}, but what was stored has {} of {}", read.0, read.1, stored.0, stored.1)]
    Stored {
        /// Rows and total of the files.
        read: (u64, String),
        /// Rows and total of the table.
        stored: (u64, String),
    },
    /// A date or time outside Postgres's range.
    #[error("column \"{column}\" holds a date or time outside PostgreSQL's range")]
    DateOutOfRange {
        /// The column.
        column: String,
    },
    /// A cost that is no number.
    #[error("column \"{column}\" holds \"{found}\", which is no amount of money")]
    NotMoney {
        /// The column.
        column: String,
        /// The value.
        found: String,
    },
    /// A batch of another shape than was asked for.
    #[error("column \"{column}\" arrived as {found} from the reader")]
    Shape {
        /// The column.
        column: String,
        /// The Arrow type that arrived.
        found: String,
    },
    /// The database's encoding cannot hold what files hold.
    #[error("cur_fdw needs a database with encoding UTF8")]
    Encoding,
    /// A load target that could not be filled faithfully.
    #[error("\"{relation}\" cannot be loaded: {why}")]
    Target {
        /// The relation.
        relation: String,
        /// The reason.
        why: String,
    },
    /// A plan that this version of the extension cannot run.
    #[error("the cached plan cannot be run: {why}")]
    Plan {
        /// The reason.
        why: String,
    },
    /// A mapping that lends the machine's identity, made by somebody else than its owner.
    #[error(
        "only a superuser may set \"ambient\" in a user mapping, or change a mapping that has it"
    )]
    AmbientNotAllowed,
    /// No Vault to look a secret up in, or one that an ordinary user made.
    #[error("option \"{option}\" needs the view vault.decrypted_secrets, owned by a superuser")]
    NoVault {
        /// The option that names a secret.
        option: &'static str,
    },
    /// The checked role may not read the Vault.
    #[error("permission denied for role \"{role}\" on view vault.decrypted_secrets")]
    VaultDenied {
        /// The role.
        role: String,
    },
    /// A secret that is not there, or not to be used. Its name is not repeated.
    #[error("the Vault's secret that option \"{option}\" names cannot be used: {why}")]
    NoVaultSecret {
        /// The option that names it.
        option: &'static str,
        /// The reason.
        why: &'static str,
    },
    /// Not allowed.
    #[error("permission denied for table \"{relation}\"")]
    Permission {
        /// The relation.
        relation: String,
    },
    /// A background worker was killed, terminated or could not report.
    #[error("the background worker ended before it was done")]
    WorkerGone,
    /// A function that runs with another user's rights asked for a background worker.
    #[error("a function that runs as another user cannot start background workers")]
    WorkerDenied,
    /// A background worker's statement was none that gives one number.
    #[error("a background worker's statement gave no bigint: {0}")]
    WorkerStatement(#[from] pgrx::spi::Error),
}

impl From<store::Error> for Error {
    fn from(error: store::Error) -> Self {
        Self::Engine(error.into())
    }
}

impl From<billing::Error> for Error {
    fn from(error: billing::Error) -> Self {
        Self::Engine(error.into())
    }
}

impl Error {
    fn code(&self) -> Code {
        match self {
            Self::Engine(error) => engine_code(error),
            Self::UnknownOption { .. } | Self::StrayOption { .. } => {
                Code::ERRCODE_FDW_INVALID_OPTION_NAME
            }
            Self::BadOption { .. } => Code::ERRCODE_FDW_INVALID_ATTRIBUTE_VALUE,
            Self::MissingOption { .. } => Code::ERRCODE_FDW_DYNAMIC_PARAMETER_VALUE_NEEDED,
            Self::NotOurs { .. } | Self::Target { .. } => Code::ERRCODE_WRONG_OBJECT_TYPE,
            Self::NoServer { .. } | Self::NoMapping { .. } => Code::ERRCODE_UNDEFINED_OBJECT,
            Self::EndpointNotAllowed { .. }
            | Self::NoServerFiles { .. }
            | Self::AmbientNotAllowed
            | Self::WorkerDenied
            | Self::VaultDenied { .. }
            | Self::Permission { .. } => Code::ERRCODE_INSUFFICIENT_PRIVILEGE,
            Self::NoVault { .. } | Self::NoVaultSecret { .. } => Code::ERRCODE_UNDEFINED_OBJECT,
            Self::ColumnType { .. } | Self::Shape { .. } => Code::ERRCODE_FDW_INVALID_DATA_TYPE,
            Self::NotMoney { .. } => Code::ERRCODE_INVALID_TEXT_REPRESENTATION,
            Self::Stored { .. } => Code::ERRCODE_DATA_CORRUPTED,
            Self::NotNull { .. } => Code::ERRCODE_NOT_NULL_VIOLATION,
            Self::NulByte { .. } => Code::ERRCODE_CHARACTER_NOT_IN_REPERTOIRE,
            Self::DateOutOfRange { .. } => Code::ERRCODE_DATETIME_FIELD_OVERFLOW,
            Self::Plan { .. } => Code::ERRCODE_FEATURE_NOT_SUPPORTED,
            Self::Encoding => Code::ERRCODE_FEATURE_NOT_SUPPORTED,
            Self::WorkerGone => Code::ERRCODE_CONNECTION_FAILURE,
            Self::WorkerStatement(_) => Code::ERRCODE_INTERNAL_ERROR,
        }
    }

    /// The next step for the user.
    pub fn hint(&self) -> String {
        match self {
            Self::Engine(error) => error.hint(),
            Self::UnknownOption { hint, .. } | Self::StrayOption { hint, .. } => hint.clone(),
            Self::BadOption {
                option: "columns", ..
            } => "Write OPTIONS (columns 'newest') or OPTIONS (columns 'all').".to_owned(),
            Self::BadOption { option, .. } => {
                format!("Set it with OPTIONS (SET {option} '…').")
            }
            Self::MissingOption {
                option: "account_key",
                ..
            } => "Add account_key, or sas_token, or client_id, client_secret and tenant_id, with ALTER USER MAPPING … OPTIONS (ADD account_key '…').".to_owned(),
            Self::MissingOption { option, .. } => {
                format!("Add it with ALTER … OPTIONS (ADD {option} '…').")
            }
            Self::NotOurs { .. } => {
                "IMPORT FOREIGN SCHEMA makes foreign tables of the exports under a prefix.".to_owned()
            }
            Self::NoServer { .. } => {
                "CREATE SERVER … FOREIGN DATA WRAPPER cur_fdw OPTIONS (url 's3://bucket').".to_owned()
            }
            Self::NoMapping {
                server, provider, ..
            } => format!(
                "CREATE USER MAPPING FOR CURRENT_USER SERVER \"{server}\" OPTIONS ({}).",
                match provider {
                    store::Provider::Azure => "account_key '…'",
                    store::Provider::Google => "service_account_key '…'",
                    _ => "access_key_id '…', secret_access_key '…'",
                }
            ),
            Self::EndpointNotAllowed { .. } => {
                "A superuser can add it: ALTER SYSTEM SET cur_fdw.allowed_endpoints = '…'.".to_owned()
            }
            Self::NoServerFiles { role, .. } => {
                format!("A superuser can allow it: GRANT pg_read_server_files TO {role}.")
            }
            Self::ColumnType { .. } | Self::Shape { .. } => {
                "Use text, double precision, real, bigint, integer, smallint, boolean, date, timestamp or numeric.".to_owned()
            }
            Self::NulByte { .. } | Self::DateOutOfRange { .. } => {
                "Leave the column out of the select list, and report the file to the provider.".to_owned()
            }
            Self::NotNull { column } => format!(
                "ALTER FOREIGN TABLE … ALTER COLUMN \"{column}\" DROP NOT NULL: the files need not fill it."
            ),
            Self::Plan { .. } => "DISCARD PLANS, and prepare the statement again.".to_owned(),
            Self::NotMoney { .. } => {
                "The month stays as it was. Report the file to the provider.".to_owned()
            }
            Self::Stored { .. } => {
                "Nothing was changed. Please report this with the export's column list.".to_owned()
            }
            Self::Encoding => "CREATE DATABASE … ENCODING 'UTF8' TEMPLATE template0.".to_owned(),
            Self::Target { .. } => {
                "Load into an empty ordinary table without triggers, rules and generated columns.".to_owned()
            }
            Self::AmbientNotAllowed => {
                "Put keys into the user mapping instead.".to_owned()
            }
            Self::NoVault { .. } => {
                "CREATE EXTENSION supabase_vault, or put the key itself into the user mapping.".to_owned()
            }
            Self::VaultDenied { role } => format!(
                "GRANT USAGE ON SCHEMA vault TO {role}; GRANT SELECT ON vault.decrypted_secrets TO {role}."
            ),
            Self::NoVaultSecret { .. } => {
                "SELECT id, name FROM vault.decrypted_secrets shows what is there; vault.create_secret adds one.".to_owned()
            }
            Self::WorkerDenied => "CALL cost_analytics.cost_sync() directly.".to_owned(),
            Self::WorkerGone => "The server's log says why.".to_owned(),
            Self::WorkerStatement(_) => "Set cur_fdw.sync_workers to 1, and please report this.".to_owned(),
            Self::Permission { .. } => "GRANT the role cost_admin to sync, cost_reader to read.".to_owned(),
        }
    }

    /// Raises Postgres's ERROR. Unwinds, so that everything on the Rust stack is dropped.
    pub fn raise(self) -> ! {
        ErrorReport::new(self.code(), self.to_string(), function_name!())
            .set_hint(self.hint())
            .report(PgLogLevel::ERROR);
        unreachable!("an ERROR does not return")
    }
}

fn engine_code(error: &engine::Error) -> Code {
    use engine::{Error as E, Problem, Raised};
    match error {
        E::Store(error) => store_code(error),
        E::Billing(_) => Code::ERRCODE_FDW_ERROR,
        E::MissingFile { .. } => Code::ERRCODE_FDW_REPLY_HANDLE,
        E::UnsupportedType { .. } => Code::ERRCODE_FEATURE_NOT_SUPPORTED,
        E::NoMonth { .. } => Code::ERRCODE_NO_DATA_FOUND,
        E::BadFile { .. } => Code::ERRCODE_DATA_CORRUPTED,
        E::Malformed(malformed) => match malformed.problem {
            Problem::Value { .. } => Code::ERRCODE_INVALID_TEXT_REPRESENTATION,
            Problem::NotUtf8 { .. } => Code::ERRCODE_CHARACTER_NOT_IN_REPERTOIRE,
            Problem::TooLong { .. } | Problem::TooManyColumns { .. } => {
                Code::ERRCODE_PROGRAM_LIMIT_EXCEEDED
            }
            Problem::FieldCount { .. } | Problem::OpenQuote => Code::ERRCODE_BAD_COPY_FILE_FORMAT,
        },
        E::TypeMismatch { .. } => Code::ERRCODE_FDW_INVALID_DATA_TYPE,
        E::OutOfMemory { .. } => Code::ERRCODE_OUT_OF_MEMORY,
        E::Raised(Raised::FloatOverflow) => Code::ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE,
        E::Raised(Raised::TimestampOutOfRange | Raised::DateOutOfRange) => {
            Code::ERRCODE_DATETIME_FIELD_OVERFLOW
        }
        E::Raised(Raised::LikeEscape) => Code::ERRCODE_INVALID_ESCAPE_SEQUENCE,
        E::Unexplained { .. } | E::Execution(_) => Code::ERRCODE_FDW_ERROR,
        E::Threads { .. } => Code::ERRCODE_SYSTEM_ERROR,
    }
}

fn store_code(error: &store::Error) -> Code {
    use store::Error as E;
    match error {
        E::BadUrl { .. } | E::BadEndpoint { .. } | E::BadSecret { .. } => {
            Code::ERRCODE_FDW_INVALID_ATTRIBUTE_VALUE
        }
        E::NoAccount { .. } => Code::ERRCODE_FDW_DYNAMIC_PARAMETER_VALUE_NEEDED,
        E::BadKey { .. } => Code::ERRCODE_FDW_INVALID_STRING_FORMAT,
        E::Denied { .. } | E::Role { .. } | E::Token { .. } | E::NoIdentity => {
            Code::ERRCODE_INVALID_AUTHORIZATION_SPECIFICATION
        }
        E::NoBucket { .. } | E::NotFound { .. } => Code::ERRCODE_UNDEFINED_FILE,
        E::Changed { .. } => Code::ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE,
        E::WrongRegion { .. }
        | E::Unreachable { .. }
        | E::TimedOut { .. }
        | E::Redirected { .. }
        | E::Refused { .. } => Code::ERRCODE_FDW_UNABLE_TO_ESTABLISH_CONNECTION,
        E::TooLarge { .. } => Code::ERRCODE_PROGRAM_LIMIT_EXCEEDED,
        E::Other { .. } => Code::ERRCODE_FDW_ERROR,
    }
}

/// Raises the error of a `Result` as Postgres's ERROR.
pub trait OrRaise<T> {
    /// The value, or an ERROR.
    fn or_raise(self) -> T;
}

impl<T, E: Into<Error>> OrRaise<T> for Result<T, E> {
    fn or_raise(self) -> T {
        match self {
            Ok(value) => value,
            Err(error) => error.into().raise(),
        }
    }
}
