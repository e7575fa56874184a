//! Statements that must fail: what the ERROR says, and that the session goes on.

use pg_test::Result;
use postgres::Client;
use postgres::error::DbError;

// SQLSTATEs by their names in Postgres's errcodes.txt.
pub const INVALID_AUTHORIZATION: &str = "28000";
pub const INSUFFICIENT_PRIVILEGE: &str = "42501";
pub const UNDEFINED_OBJECT: &str = "42704";
pub const NOT_IN_PREREQUISITE_STATE: &str = "55000";
pub const QUERY_CANCELED: &str = "57014";
pub const UNDEFINED_FILE: &str = "58P01";
pub const FDW_ERROR: &str = "HV000";
pub const FDW_PARAMETER_NEEDED: &str = "HV002";
pub const FDW_INVALID_DATA_TYPE: &str = "HV004";
pub const FDW_INVALID_OPTION_NAME: &str = "HV00D";
pub const FDW_REPLY_HANDLE: &str = "HV00K";
pub const FDW_NO_CONNECTION: &str = "HV00N";
pub const FDW_INVALID_ATTRIBUTE_VALUE: &str = "HV024";
pub const DATA_CORRUPTED: &str = "XX001";

/// What stands for a secret, or is a part of one. Base64, as keys are.
pub const MARKER: &str = "MARKER77";

/// How the gateway's secret key begins, a password, and the marker.
const SECRETS: [&str; 3] = ["SKTEST", "hunter2", MARKER];

pub fn assert_no_secret(what: &str, text: &str) {
    for secret in SECRETS {
        assert!(!text.contains(secret), "{what} shows a secret: {text}");
    }
}

/// The ERROR of a statement. No secret shows in it, and the connection works afterwards.
pub fn error_of(client: &mut Client, sql: &str) -> Result<DbError> {
    let error = match client.batch_execute(sql) {
        Ok(()) => return Err(format!("no error from {sql}").into()),
        Err(error) => error,
    };
    let Some(error) = error.as_db_error().cloned() else {
        return Err(format!("{sql}: the connection broke: {error}").into());
    };
    assert_no_secret(sql, &format!("{error:?}"));
    assert_eq!(error.severity(), "ERROR", "{sql}");
    client.batch_execute("ROLLBACK")?;
    let row = client.query_one("SELECT 42", &[])?;
    assert_eq!(row.get::<_, i32>(0), 42);
    Ok(error)
}

/// What a message says: one thing or several.
pub trait Parts {
    fn parts(&self) -> Vec<&str>;
}

impl Parts for &str {
    fn parts(&self) -> Vec<&str> {
        vec![self]
    }
}

impl Parts for &String {
    fn parts(&self) -> Vec<&str> {
        vec![self]
    }
}

impl Parts for &[&str] {
    fn parts(&self) -> Vec<&str> {
        self.to_vec()
    }
}

impl<S: AsRef<str>, const N: usize> Parts for &[S; N] {
    fn parts(&self) -> Vec<&str> {
        self.iter().map(AsRef::as_ref).collect()
    }
}

/// Asserts the SQLSTATE of an ERROR, and what its message and its hint say.
pub fn refused(
    client: &mut Client,
    sql: &str,
    code: &str,
    message: impl Parts,
    hint: &str,
) -> Result<()> {
    refusal(client, sql, code, message, hint).map(drop)
}

/// The ERROR that is [`refused`].
pub fn refusal(
    client: &mut Client,
    sql: &str,
    code: &str,
    message: impl Parts,
    hint: &str,
) -> Result<DbError> {
    let error = error_of(client, sql)?;
    let said = format!("{sql}\n{}", described(&error));
    assert_eq!(error.code().code(), code, "{said}");
    for part in message.parts() {
        assert!(
            error.message().contains(part),
            "{part:?} is missing in\n{said}"
        );
    }
    let given = error.hint().unwrap_or_default();
    assert!(!given.is_empty(), "there is no hint in\n{said}");
    assert!(given.contains(hint), "{hint:?} is missing in\n{said}");
    Ok(error)
}

/// Asserts what an ERROR says in any of its parts, its SQLSTATE included: those of Postgres itself may
/// have no hint.
pub fn fails(client: &mut Client, sql: &str, said: impl Parts) -> Result<()> {
    let error = described(&error_of(client, sql)?);
    for part in said.parts() {
        assert!(
            error.contains(part),
            "{part:?} is missing in\n{sql}\n{error}"
        );
    }
    Ok(())
}

/// SQLSTATE, message, detail and hint of what must fail in the database.
pub fn failure<T>(result: Result<T>) -> String {
    let error = result.err().expect("this must fail");
    let error = error
        .downcast::<postgres::Error>()
        .expect("an error of Postgres's");
    described(error.as_db_error().expect("the server's own error"))
}

fn described(error: &DbError) -> String {
    format!(
        "{} {} / {} / {}",
        error.code().code(),
        error.message(),
        error.detail().unwrap_or_default(),
        error.hint().unwrap_or_default()
    )
}
