//! SQLSTATE codes, under the names that PostgreSQL gives them.

use std::fmt;

/// A five-character condition code of the SQL standard.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct SqlState([u8; 5]);

impl SqlState {
    /// The code as text.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).expect("codes are ASCII")
    }
}

impl fmt::Display for SqlState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for SqlState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

macro_rules! codes {
    ($($name:ident = $code:literal;)*) => {
        #[allow(missing_docs, reason = "the names are PostgreSQL's own")]
        impl SqlState {
            $(pub const $name: SqlState = SqlState(*$code);)*
        }
    };
}

codes! {
    SUCCESSFUL_COMPLETION = b"00000";
    WARNING = b"01000";
    CONNECTION_EXCEPTION = b"08000";
    PROTOCOL_VIOLATION = b"08P01";
    FEATURE_NOT_SUPPORTED = b"0A000";
    STRING_DATA_RIGHT_TRUNCATION = b"22001";
    NUMERIC_VALUE_OUT_OF_RANGE = b"22003";
    INVALID_DATETIME_FORMAT = b"22007";
    DATETIME_FIELD_OVERFLOW = b"22008";
    INVALID_TIME_ZONE_DISPLACEMENT_VALUE = b"22009";
    DIVISION_BY_ZERO = b"22012";
    CHARACTER_NOT_IN_REPERTOIRE = b"22021";
    INVALID_PARAMETER_VALUE = b"22023";
    INVALID_ESCAPE_SEQUENCE = b"22025";
    INVALID_ROW_COUNT_IN_LIMIT_CLAUSE = b"2201W";
    INVALID_ROW_COUNT_IN_RESULT_OFFSET_CLAUSE = b"2201X";
    SUBSTRING_ERROR = b"22011";
    INVALID_ARGUMENT_FOR_POWER_FUNCTION = b"2201F";
    INVALID_TEXT_REPRESENTATION = b"22P02";
    BAD_COPY_FILE_FORMAT = b"22P04";
    NOT_NULL_VIOLATION = b"23502";
    FOREIGN_KEY_VIOLATION = b"23503";
    UNIQUE_VIOLATION = b"23505";
    CHECK_VIOLATION = b"23514";
    ACTIVE_SQL_TRANSACTION = b"25001";
    NO_ACTIVE_SQL_TRANSACTION = b"25P01";
    IN_FAILED_SQL_TRANSACTION = b"25P02";
    READ_ONLY_SQL_TRANSACTION = b"25006";
    INVALID_SQL_STATEMENT_NAME = b"26000";
    INVALID_AUTHORIZATION_SPECIFICATION = b"28000";
    DEPENDENT_OBJECTS_STILL_EXIST = b"2BP01";
    INVALID_CATALOG_NAME = b"3D000";
    INVALID_SCHEMA_NAME = b"3F000";
    SERIALIZATION_FAILURE = b"40001";
    DEADLOCK_DETECTED = b"40P01";
    SYNTAX_ERROR = b"42601";
    INSUFFICIENT_PRIVILEGE = b"42501";
    GROUPING_ERROR = b"42803";
    DATATYPE_MISMATCH = b"42804";
    WRONG_OBJECT_TYPE = b"42809";
    CANNOT_COERCE = b"42846";
    UNDEFINED_FUNCTION = b"42883";
    UNDEFINED_PARAMETER = b"42P02";
    AMBIGUOUS_PARAMETER = b"42P08";
    RESERVED_NAME = b"42939";
    INVALID_NAME = b"42602";
    NAME_TOO_LONG = b"42622";
    UNDEFINED_COLUMN = b"42703";
    UNDEFINED_OBJECT = b"42704";
    AMBIGUOUS_COLUMN = b"42702";
    DUPLICATE_COLUMN = b"42701";
    DUPLICATE_SCHEMA = b"42P06";
    DUPLICATE_OBJECT = b"42710";
    DUPLICATE_PREPARED_STATEMENT = b"42P05";
    INVALID_COLUMN_REFERENCE = b"42P10";
    AMBIGUOUS_FUNCTION = b"42725";
    UNDEFINED_TABLE = b"42P01";
    DUPLICATE_TABLE = b"42P07";
    INDETERMINATE_DATATYPE = b"42P18";
    INVALID_TABLE_DEFINITION = b"42P16";
    INSUFFICIENT_RESOURCES = b"53000";
    DISK_FULL = b"53100";
    OUT_OF_MEMORY = b"53200";
    TOO_MANY_CONNECTIONS = b"53300";
    CONFIGURATION_LIMIT_EXCEEDED = b"53400";
    PROGRAM_LIMIT_EXCEEDED = b"54000";
    STATEMENT_TOO_COMPLEX = b"54001";
    TOO_MANY_COLUMNS = b"54011";
    OBJECT_NOT_IN_PREREQUISITE_STATE = b"55000";
    OBJECT_IN_USE = b"55006";
    CANT_CHANGE_RUNTIME_PARAM = b"55P02";
    LOCK_NOT_AVAILABLE = b"55P03";
    QUERY_CANCELED = b"57014";
    ADMIN_SHUTDOWN = b"57P01";
    CRASH_SHUTDOWN = b"57P02";
    CANNOT_CONNECT_NOW = b"57P03";
    IDLE_SESSION_TIMEOUT = b"57P05";
    IO_ERROR = b"58030";
    UNDEFINED_FILE = b"58P01";
    CONFIG_FILE_ERROR = b"F0000";
    INTERNAL_ERROR = b"XX000";
    DATA_CORRUPTED = b"XX001";
    INDEX_CORRUPTED = b"XX002";
}
