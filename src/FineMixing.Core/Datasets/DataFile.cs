using System.Globalization;
using System.Text;
using System.Text.Json;
using CsvHelper;

namespace FineMixing.Datasets;

/// <summary>Reads labelled texts from TSV, CSV and JSONL files.</summary>
/// <remarks>
/// <para>Columns by name: <c>sentence</c> or <c>text</c>, or <c>sentence1</c> and <c>sentence2</c> for pairs, and <c>label</c>; others are ignored.
/// The format follows from the extension: <c>.tsv</c>, <c>.csv</c>, <c>.jsonl</c> (one JSON object a line). Text is UTF-8.</para>
/// <para>TSV is read as GLUE writes it: no quoting, one row a line. CSV follows RFC 4180: quotes, doubled quotes, line breaks inside quotes.</para>
/// </remarks>
public static class DataFile
{
    private static readonly UTF8Encoding StrictUtf8 = new(false, throwOnInvalidBytes: true);

    /// <summary>Reads all examples, in file order.</summary>
    /// <param name="path">The file.</param>
    /// <param name="options">What labels are allowed; null: whole numbers from 0.</param>
    /// <exception cref="FileNotFoundException">There is no such file.</exception>
    /// <exception cref="DataFormatException">The extension or the columns are unknown, there is no row, or rows are bad (all named with their lines).</exception>
    public static IReadOnlyList<TextExample> Read(string path, DataFileOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(path);
        if (!File.Exists(path))
            throw new FileNotFoundException($"There is no data file '{path}'.", path);
        var rows = new Rows(path, options ?? new DataFileOptions());
        try
        {
            using var reader = new StreamReader(path, StrictUtf8);
            switch (Path.GetExtension(path).ToUpperInvariant())
            {
                case ".TSV":
                    ReadTsv(reader, rows);
                    break;
                case ".CSV":
                    ReadCsv(reader, rows);
                    break;
                case ".JSONL":
                    ReadJsonLines(reader, rows);
                    break;
                default:
                    throw new DataFormatException(path, "the extension must be .tsv, .csv or .jsonl.");
            }
        }
        catch (DecoderFallbackException)
        {
            throw new DataFormatException(path, "the file is not UTF-8 text.");
        }

        return rows.Finish();
    }

    private static void ReadTsv(StreamReader reader, Rows rows)
    {
        var columns = Columns.Find(rows.File, reader.ReadLine()?.Split('\t'), "tab-separated");
        for (var line = 2; reader.ReadLine() is { } text; line++)
        {
            if (text.Length == 0)
                continue;
            var fields = text.Split('\t');
            if (fields.Length == columns.Count)
                rows.Add(line, Columns.Pick(fields, columns.First), Columns.Pick(fields, columns.Second), Columns.Pick(fields, columns.Label), columns);
            else
                rows.Bad(line, $"{fields.Length} columns where the header has {columns.Count}");
        }
    }

    private static void ReadCsv(StreamReader reader, Rows rows)
    {
        var options = new CsvReaderOptions
        {
            Separator = ',',
            TrackLineNumbers = true,
            MalformedData = CsvMalformedDataHandling.Skip,
            OnMalformedRecord = record => rows.Bad((int)record.LineNumber, record.Reason switch
            {
                CsvMalformedReason.StrayQuote => "a quote inside a field that is not quoted",
                CsvMalformedReason.TextAfterClosingQuote => "text after a closing quote",
                CsvMalformedReason.UnterminatedQuote => "a quote that is never closed",
                var other => $"malformed ({other})",
            }),
            FormatProvider = CultureInfo.InvariantCulture,
        };
        using var csv = CsvReader.Create(reader, options, leaveOpen: true);
        try
        {
            var columns = Columns.Find(rows.File, csv.Headers.Count == 0 ? null : [.. csv.Headers], "comma-separated");
            while (csv.Read())
            {
                var line = (int)csv.LineNumber;
                if (csv.FieldCount != columns.Count)
                {
                    rows.Bad(line, $"{csv.FieldCount} columns where the header has {columns.Count}");
                    continue;
                }

                var fields = Enumerable.Range(0, columns.Count).Select(csv.GetString).ToArray();
                rows.Add(line, Columns.Pick(fields, columns.First), Columns.Pick(fields, columns.Second), Columns.Pick(fields, columns.Label), columns);
            }
        }
        catch (CsvFormatException exception)
        {
            throw new DataFormatException(rows.File, string.Create(CultureInfo.InvariantCulture, $"line {exception.LineNumber}: {exception.Message}"));
        }
    }

    private static void ReadJsonLines(StreamReader reader, Rows rows)
    {
        for (var line = 1; reader.ReadLine() is { } text; line++)
        {
            if (string.IsNullOrWhiteSpace(text))
                continue;
            try
            {
                using var document = JsonDocument.Parse(text);
                if (document.RootElement.ValueKind != JsonValueKind.Object)
                {
                    rows.Bad(line, "not a JSON object");
                    continue;
                }

                var values = document.RootElement.EnumerateObject().GroupBy(property => property.Name).ToDictionary(group => group.Key, group => group.Last().Value);
                if (Columns.TryFind([.. values.Keys], out var columns) is { } problem)
                {
                    rows.Bad(line, problem);
                    continue;
                }

                var fields = values.Values.Select(value => value.ValueKind == JsonValueKind.String ? value.GetString()! : value.GetRawText()).ToArray();
                var texts = columns.Texts.FirstOrDefault(name => values[name].ValueKind != JsonValueKind.String);
                if (texts is not null)
                    rows.Bad(line, $"'{texts}' is not a string");
                else
                    rows.Add(line, Columns.Pick(fields, columns.First), Columns.Pick(fields, columns.Second), Columns.Pick(fields, columns.Label), columns);
            }
            catch (JsonException exception)
            {
                rows.Bad(line, string.Create(CultureInfo.InvariantCulture, $"not valid JSON (at byte {exception.BytePositionInLine})"));
            }
            catch (InvalidOperationException)
            {
                rows.Bad(line, "a string holds half a surrogate pair");
            }
        }
    }

    private sealed record Columns(int Count, int First, int? Second, int Label, IReadOnlyList<string> Texts)
    {
        public static string? Pick(string[] fields, int? column) => column is { } index ? fields[index] : null;

        public static Columns Find(string file, string[]? header, string kind)
        {
            if (header is null)
                throw new DataFormatException(file, "the file is empty; the first line must name the columns.");
            return TryFind([.. header.Select(name => name.Trim())], out var columns) is { } problem
                ? throw new DataFormatException(file, $"the first line must name the ({kind}) columns: {problem}.")
                : columns;
        }

        public static string? TryFind(List<string> names, out Columns columns)
        {
            columns = new Columns(names.Count, 0, null, 0, []);
            var single = new[] { "sentence", "text" }.Where(names.Contains).ToList();
            var pair = new[] { "sentence1", "sentence2" }.Where(names.Contains).ToList();
            var found = $"found {string.Join(", ", names.Take(10).Select(name => $"'{(name.Length > 40 ? name[..40] + "…" : name)}'"))}";
            if (!names.Contains("label"))
                return $"there is no 'label', {found}";
            if (pair.Count == 1)
                return $"'{pair[0]}' stands alone, a pair needs 'sentence1' and 'sentence2'";
            if (single.Count + (pair.Count == 2 ? 1 : 0) != 1)
                return $"expected one of 'sentence', 'text', or the pair 'sentence1' and 'sentence2', {found}";
            var label = names.IndexOf("label");
            columns = pair.Count == 2
                ? new Columns(names.Count, names.IndexOf("sentence1"), names.IndexOf("sentence2"), label, pair)
                : new Columns(names.Count, names.IndexOf(single[0]), null, label, single);
            return null;
        }
    }

    /// <summary>Collects examples and complaints.</summary>
    private sealed class Rows(string file, DataFileOptions options)
    {
        private readonly Dictionary<string, int>? _names = options.LabelNames?.ToDictionary(pair => pair.Key, pair => pair.Value, StringComparer.OrdinalIgnoreCase);
        private readonly List<TextExample> _examples = [];
        private readonly List<BadRow> _bad = [];
        private int _badCount;

        public string File => file;

        public void Bad(int line, string reason)
        {
            _badCount++;
            if (_bad.Count < DataFormatException.MostRows)
                _bad.Add(new BadRow(line, reason));
        }

        public void Add(int line, string? first, string? second, string? label, Columns columns)
        {
            var problems = new List<string>(1);
            if (string.IsNullOrWhiteSpace(first))
                problems.Add($"'{columns.Texts[0]}' is empty");
            if (second is not null && string.IsNullOrWhiteSpace(second))
                problems.Add($"'{columns.Texts[1]}' is empty");
            if (ProblemOfLabel(label ?? "", out var number) is { } problem)
                problems.Add(problem);
            if (problems.Count > 0)
                Bad(line, string.Join("; ", problems));
            else
                _examples.Add(new TextExample(first!, second, number));
        }

        public IReadOnlyList<TextExample> Finish()
        {
            if (_badCount > 0)
                throw new DataFormatException(file, [.. _bad.OrderBy(row => row.Line)], _badCount);
            return _examples.Count > 0 ? _examples : throw new DataFormatException(file, "the file has no rows.");
        }

        private string? ProblemOfLabel(string text, out int label)
        {
            text = text.Trim();
            if (_names is not null && _names.TryGetValue(text, out label))
                return null;
            if (!int.TryParse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out label))
            {
                var names = _names is { Count: > 0 } ? $" or one of {string.Join(", ", _names.Keys.Take(10).Select(name => $"'{name}'"))}" : "";
                return $"label '{(text.Length > 40 ? text[..40] + "…" : text)}' is not a whole number{names}";
            }

            if (label < 0)
                return string.Create(CultureInfo.InvariantCulture, $"label {label} is negative");
            return options.NumLabels is { } count && label >= count
                ? string.Create(CultureInfo.InvariantCulture, $"label {label} is unknown, the model has the labels 0 to {count - 1}")
                : null;
        }
    }
}
