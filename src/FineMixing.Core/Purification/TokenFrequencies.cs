using System.Collections.Frozen;
using System.Globalization;
using System.IO.Compression;
using System.Text.Json;
using FineMixing.Tokenization;

namespace FineMixing.Purification;

/// <summary>How often tokens occur in a large clean corpus: the f_i of E-PUR.</summary>
/// <remarks>Zhang et al. 2022 (arXiv 2210.09545), section on E-PUR: score_i = ||delta_i||_2 / log(max(f_i, 20)).</remarks>
public sealed class TokenFrequencies
{
    private const string Resource = "FineMixing.Purification.DefaultFrequencies.txt.gz";

    private static readonly Lazy<TokenFrequencies> LazyDefault = new(LoadDefault);

    private readonly FrozenDictionary<string, long> _counts;

    /// <summary>Wraps counts.</summary>
    /// <param name="counts">Token to count; counts are not negative.</param>
    /// <exception cref="ArgumentException">A count is negative.</exception>
    public TokenFrequencies(IEnumerable<KeyValuePair<string, long>> counts)
    {
        ArgumentNullException.ThrowIfNull(counts);
        _counts = counts.ToFrozenDictionary(StringComparer.Ordinal);
        foreach (var (token, count) in _counts)
        {
            if (count < 0)
                throw new ArgumentException($"The frequency of '{token}' is negative ({count.ToString(CultureInfo.InvariantCulture)}).", nameof(counts));
        }
    }

    /// <summary>The table of BERT-uncased word pieces that ships with the library; docs/data.md says from which texts it is counted.</summary>
    public static TokenFrequencies Default => LazyDefault.Value;

    /// <summary>All counts.</summary>
    public IReadOnlyDictionary<string, long> Counts => _counts;

    /// <summary>The count of a token as the vocabulary spells it (<c>##ing</c>), 0 when the table lacks it.</summary>
    public long this[string token] => _counts.GetValueOrDefault(token);

    /// <summary>Reads a JSON object of token to count.</summary>
    /// <param name="path">The file.</param>
    /// <exception cref="FileNotFoundException">There is no such file.</exception>
    /// <exception cref="ArgumentException">The file is not a JSON object of whole numbers from 0; names the file and the first bad entries.</exception>
    public static TokenFrequencies FromJsonFile(string path)
    {
        ArgumentNullException.ThrowIfNull(path);
        if (!File.Exists(path))
            throw new FileNotFoundException($"There is no frequency file '{path}'.", path);
        JsonDocument document;
        try
        {
            document = JsonDocument.Parse(File.ReadAllBytes(path));
        }
        catch (JsonException exception)
        {
            throw new ArgumentException($"The frequency file '{path}' is not valid JSON (line {exception.LineNumber + 1}).", nameof(path), exception);
        }

        using (document)
        {
            if (document.RootElement.ValueKind != JsonValueKind.Object)
                throw new ArgumentException($"The frequency file '{path}' must be a JSON object of tokens and counts, for example {{\"the\": 120345}}.", nameof(path));
            var counts = new Dictionary<string, long>(StringComparer.Ordinal);
            var bad = new List<string>();
            foreach (var entry in document.RootElement.EnumerateObject())
            {
                if (entry.Value.ValueKind != JsonValueKind.Number || !entry.Value.TryGetInt64(out var count) || count < 0)
                    bad.Add($"'{entry.Name}'");
                else if (!counts.TryAdd(entry.Name, count))
                    bad.Add($"'{entry.Name}' (twice)");
            }

            return bad.Count == 0
                ? new TokenFrequencies(counts)
                : throw new ArgumentException($"The frequency file '{path}' has {bad.Count} entries that are not whole numbers from 0: {string.Join(", ", bad.Take(10))}.", nameof(path));
        }
    }

    /// <summary>A table from a file: a JSON object of token and count (<c>.json</c>), or a corpus to count, one text a line (any other extension).</summary>
    /// <param name="path">The file; text is UTF-8.</param>
    /// <param name="tokenizer">The tokenizer of the model under test.</param>
    /// <exception cref="FileNotFoundException">There is no such file.</exception>
    /// <exception cref="ArgumentException">The JSON is no frequency table.</exception>
    public static TokenFrequencies FromFile(string path, ITextTokenizer tokenizer)
    {
        ArgumentNullException.ThrowIfNull(path);
        if (!File.Exists(path))
            throw new FileNotFoundException($"There is no frequency file '{path}'.", path);
        return Path.GetExtension(path).Equals(".json", StringComparison.OrdinalIgnoreCase) ? FromJsonFile(path) : Count(File.ReadLines(path), tokenizer);
    }

    /// <summary>Counts the tokens of the user's own corpus.</summary>
    /// <param name="texts">The corpus; read once, on all processors.</param>
    /// <param name="tokenizer">The tokenizer of the model under test.</param>
    public static TokenFrequencies Count(IEnumerable<string> texts, ITextTokenizer tokenizer)
    {
        var counter = new TokenFrequencyCounter(tokenizer);
        counter.Add(texts);
        return new TokenFrequencies(counter.ToCounts());
    }

    private static TokenFrequencies LoadDefault()
    {
        using var stream = typeof(TokenFrequencies).Assembly.GetManifestResourceStream(Resource)
            ?? throw new InvalidOperationException($"The library was built without its frequency table ({Resource}).");
        using var reader = new StreamReader(new GZipStream(stream, CompressionMode.Decompress));
        return new TokenFrequencies(FrequencyTableFile.Read(reader));
    }
}
