using System.Globalization;

namespace FineMixing.Datasets;

/// <summary>One row of a data file that cannot be used.</summary>
/// <param name="Line">The line in the file, from 1.</param>
/// <param name="Reason">What was found and what was expected.</param>
public sealed record BadRow(int Line, string Reason)
{
    /// <inheritdoc/>
    public override string ToString() => string.Create(CultureInfo.InvariantCulture, $"line {Line}: {Reason}");
}

/// <summary>A data file is not what was expected; all bad rows (the first 20) are named at once.</summary>
public sealed class DataFormatException : ArgumentException
{
    /// <summary>The most rows that are listed.</summary>
    public const int MostRows = 20;

    internal DataFormatException(string file, string reason)
        : base($"'{file}': {reason}")
    {
        File = file;
        Rows = [];
    }

    internal DataFormatException(string file, IReadOnlyList<BadRow> rows, int total)
        : base($"'{file}' has {total.ToString(CultureInfo.InvariantCulture)} bad {(total == 1 ? "row" : "rows")}:\n  {string.Join("\n  ", rows)}"
            + (total > rows.Count ? $"\n  and {(total - rows.Count).ToString(CultureInfo.InvariantCulture)} more" : ""))
    {
        File = file;
        Rows = rows;
    }

    /// <summary>The file.</summary>
    public string File { get; }

    /// <summary>The bad rows, the first 20; empty when the file as a whole is wrong.</summary>
    public IReadOnlyList<BadRow> Rows { get; }
}
