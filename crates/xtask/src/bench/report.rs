//! Markdown tables of the measurements.

use super::measure::{Cost, Measured};
use super::{JITLINK, LINKJIT, LLD, Tool};

/// A title, and what it shows of a cost.
type Column = (&'static str, fn(&Cost) -> f64);

/// Prints costs, and each tool's ratios to the peers.
pub(crate) fn table(title: &str, measured: &[Measured], peers: &[Tool]) {
    let counted = measured.iter().any(|m| m.result.as_ref().is_ok_and(|cost| cost.instructions.is_some()));
    let mut values: Vec<Column> = vec![("wall ms", wall), ("cpu ms", cpu), ("peak MB", megabytes)];
    let mut ratios: Vec<Column> = vec![("wall", wall), ("cpu", cpu)];
    if counted {
        values.push(("M instructions", |cost| instructions(cost) / 1e6));
        ratios.push(("instructions", instructions));
    }
    let mut columns = vec!["tool".to_string()];
    columns.extend(values.iter().map(|(name, _)| (*name).to_string()));
    for peer in peers {
        columns.extend(ratios.iter().map(|(name, _)| format!("{name} / {peer}")));
    }
    head(title, &columns);
    for m in measured {
        let cost = match &m.result {
            Ok(cost) => cost,
            Err(why) => {
                println!("| {} | fails: {} |{}", m.tool, why.replace('|', "\\|"), " |".repeat(columns.len() - 2));
                continue;
            }
        };
        let mut cells = vec![m.tool.to_string()];
        cells.extend(values.iter().map(|(_, value)| digits(value(cost))));
        for peer in peers.iter().map(|peer| cost_of(measured, peer)) {
            let ratio = |value: &fn(&Cost) -> f64| peer.map_or("-".into(), |peer| digits(value(cost) / value(peer)));
            cells.extend(ratios.iter().map(|(_, value)| ratio(value)));
        }
        println!("| {} |", cells.join(" | "));
    }
}

/// Prints how the cost of an object grows with the number of objects.
pub(crate) fn scaling(by_count: &[(usize, &[Measured])]) {
    let mut columns = vec!["tool".to_string()];
    columns.extend(by_count.iter().map(|(count, _)| count.to_string()));
    columns.push("last doubling".into());
    head("E3: CPU of the whole process per object, in ns (last doubling: CPU ratio, 2 is linear)", &columns);
    for tool in [LINKJIT, JITLINK, LLD] {
        let costs: Vec<(usize, Option<&Cost>)> =
            by_count.iter().map(|(count, measured)| (*count, cost_of(measured, tool))).collect();
        let per_object = |(count, cost): &(usize, Option<&Cost>)| {
            cost.map_or("fails".into(), |cost| format!("{}", cost.cpu.as_nanos() / (*count).max(1) as u128))
        };
        let mut cells = vec![tool.to_string()];
        cells.extend(costs.iter().map(per_object));
        cells.push(match costs.as_slice() {
            [.., (_, Some(before)), (_, Some(last))] => digits(cpu(last) / cpu(before)),
            _ => "-".into(),
        });
        println!("| {} |", cells.join(" | "));
    }
}

/// Says whether linkjit uses less CPU than the file linker, dlopen and the run; nothing if one of them failed.
pub(crate) fn verdict(name: &str, measured: &[Measured]) -> Option<String> {
    let (ours, theirs) = (cost_of(measured, LINKJIT)?, cost_of(measured, LLD)?);
    let answer = if ours.cpu < theirs.cpu { "yes" } else { "NO" };
    Some(format!("{name} {answer} ({} ms against {} ms)", digits(cpu(ours)), digits(cpu(theirs))))
}

/// Prints the head of a table.
pub(crate) fn head(title: &str, columns: &[String]) {
    println!("\n## {title}\n\n| {} |\n|{}", columns.join(" | "), "---|".repeat(columns.len()));
}

fn cost_of<'a>(measured: &'a [Measured], tool: &str) -> Option<&'a Cost> {
    measured.iter().find(|m| m.tool == tool)?.result.as_ref().ok()
}

fn wall(cost: &Cost) -> f64 {
    cost.wall.as_secs_f64() * 1e3
}

fn cpu(cost: &Cost) -> f64 {
    cost.cpu.as_secs_f64() * 1e3
}

fn megabytes(cost: &Cost) -> f64 {
    cost.peak_rss as f64 / 1024.0
}

fn instructions(cost: &Cost) -> f64 {
    cost.instructions.map_or(f64::NAN, |count| count as f64)
}

/// Three significant digits, and no fewer than the whole part has.
pub(super) fn digits(value: f64) -> String {
    let decimals = match value {
        v if v.is_nan() => return "-".into(),
        v if v < 10.0 => 2,
        v if v < 100.0 => 1,
        _ => 0,
    };
    format!("{value:.decimals$}")
}
