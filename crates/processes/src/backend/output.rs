//! Where a session's results go: the line protocol, over the client's socket.

use protocol::COPY_END;
use sql::{CopyFormat, CopyLine, Output, OutputColumn, Report, Stop, TextRow};

use super::client::{Client, message_of};

impl Output for Client {
    fn columns(&mut self, columns: &[OutputColumn]) -> Result<(), Stop> {
        self.out.columns(columns.iter().map(|c| (c.name.as_str(), c.ty.internal_name())));
        self.flush_if_full()
    }

    fn row(&mut self, row: &TextRow) -> Result<(), Stop> {
        self.out.row(row.values());
        self.flush_if_full()
    }

    fn done(&mut self, tag: &str) -> Result<(), Stop> {
        self.out.ok(tag);
        self.flush_if_full()
    }

    fn error(&mut self, report: &Report) -> Result<(), Stop> {
        self.report(report);
        if self.fatal { Err(Stop::Fatal) } else { self.flush_if_full() }
    }

    fn notice(&mut self, report: &Report) -> Result<(), Stop> {
        let message = message_of(report);
        self.out.notice(report.sqlstate, &message);
        self.flush_if_full()
    }

    fn copy_out(&mut self, format: CopyFormat, _columns: usize) -> Result<(), Stop> {
        self.copy = format;
        Ok(())
    }

    fn copy_row(&mut self, line: &str) -> Result<(), Stop> {
        match self.copy {
            CopyFormat::Text => self.out.copy_text_row(line),
            CopyFormat::Csv => self.out.copy_csv_row(line),
        }
        self.flush_if_full()
    }

    fn copy_in(&mut self, format: CopyFormat, _columns: usize) -> Result<(), Stop> {
        self.copy = format;
        self.out.copy_in();
        self.flush_if_full()
    }

    fn read_copy_line(&mut self) -> Result<CopyLine<'_>, Stop> {
        let mut line = std::mem::take(&mut self.line);
        line.clear();
        let taken = self.take_line(&mut line);
        self.line = line;
        match taken {
            Ok(Ok(())) if self.line == COPY_END => Ok(CopyLine::End),
            Ok(Ok(())) => Ok(CopyLine::Line(&self.line)),
            Ok(Err(error)) => Ok(CopyLine::Bad(Box::new(Report::from_diagnostic(&error)))),
            Err(_) => Err(Stop::Disconnected),
        }
    }
}
