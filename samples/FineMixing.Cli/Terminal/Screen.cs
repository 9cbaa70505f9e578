using System.Text;
using Spectre.Console;

namespace FineMixing.Cli.Terminal;

/// <summary>A column of a table on the screen.</summary>
internal sealed record Column(string Name, bool IsNumeric = false);

/// <summary>Results on standard output: framed tables on a terminal, plain aligned lines in a pipe.</summary>
internal static class Screen
{
    public static void Line(string text = "") => Console.Out.WriteLine(Clean(text));

    /// <summary>Two fields with a tab between them.</summary>
    public static void Line(string first, string second) => Console.Out.WriteLine($"{Clean(first)}\t{Clean(second)}");

    /// <summary>A remark for people, kept out of piped results.</summary>
    public static void Note(string text) => Console.Error.WriteLine(Clean(text));

    public static void Table(IReadOnlyList<Column> columns, IReadOnlyList<IReadOnlyList<string>> rows)
    {
        var clean = rows.Select(r => r.Select(Clean).ToArray()).ToArray();
        var widths = columns.Select((c, i) => clean.Select(r => r[i].Length).Append(c.Name.Length).Max()).ToArray();
        // A frame that has to break words is harder to read than none.
        if (Console.IsOutputRedirected || widths.Sum() + 3 * widths.Length + 1 > AnsiConsole.Profile.Width)
            PlainTable(columns, clean, widths);
        else
            FramedTable(columns, clean);
    }

    /// <summary>Text without control and text-reordering characters: names from untrusted files must not steer the terminal.</summary>
    public static string Clean(string text)
    {
        if (!text.Any(IsUnsafe))
            return text;
        var clean = new StringBuilder(text.Length);
        foreach (var c in text)
            clean.Append(IsUnsafe(c) ? '\uFFFD' : c);
        return clean.ToString();
    }

    /// <summary>The text on a single line.</summary>
    public static string OneLine(string text) =>
        Clean(string.Join(" ", text.Split(['\r', '\n'], StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries)));

    private static bool IsUnsafe(char c) => char.IsControl(c) || c is '\u061C' or '\u200E' or '\u200F' or (>= '\u202A' and <= '\u202E') or (>= '\u2066' and <= '\u2069');

    private static void FramedTable(IReadOnlyList<Column> columns, string[][] rows)
    {
        var table = new Table().Border(TableBorder.Rounded);
        foreach (var column in columns)
        {
            var shown = new TableColumn(new Text(column.Name, new Style(decoration: Decoration.Bold)));
            table.AddColumn(column.IsNumeric ? shown.RightAligned() : shown);
        }

        foreach (var row in rows)
            table.AddRow(row.Select(cell => new Text(cell)));
        AnsiConsole.Write(table);
    }

    private static void PlainTable(IReadOnlyList<Column> columns, string[][] rows, int[] widths)
    {
        foreach (var row in rows.Prepend([.. columns.Select(c => c.Name)]))
        {
            var cells = row.Select((cell, i) => columns[i].IsNumeric ? cell.PadLeft(widths[i]) : cell.PadRight(widths[i]));
            Console.Out.WriteLine(string.Join("  ", cells).TrimEnd());
        }
    }
}
