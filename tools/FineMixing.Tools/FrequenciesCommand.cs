using System.CommandLine;
using System.Globalization;
using System.IO.Compression;
using System.Text.Json;
using FineMixing.Datasets;
using FineMixing.Purification;
using FineMixing.Tokenization;
using MathNet.Numerics.Statistics;

namespace FineMixing.Tools;

/// <summary>Counts the word pieces behind <see cref="TokenFrequencies.Default"/> and compares them with the published table of the E-PUR paper's attack code.</summary>
internal static class FrequenciesCommand
{
    /// <summary>What is counted. The phrases of SST-2 are cut from about a seventh as many sentences, so a word is there about seven times.</summary>
    private static readonly (string Folder, double Weight)[] Corpora = [("sst2", 1 / 7.0), ("imdb", 1), ("amazon", 1), ("qnli", 1), ("mrpc", 1)];

    private static readonly string[] Header =
    [
        "FineMixing: how often BERT-uncased word pieces occur, for E-PUR. Made by: FineMixing.Tools frequencies (docs/data.md).",
        "Counted over: words of Wikipedia (list of the RIPPLe repository, Kurita et al. 2020, BSD-3-Clause) and the training texts of",
        "SST-2, QNLI and MRPC (GLUE), IMDB (Maas et al. 2011) and Amazon reviews (VADER, UCI). Only counts are kept, no text.",
        "Both halves weigh the same; the counts are then scaled to the median of a public table over Wikipedia and books.",
        "One word piece and its count a line; lines that start with a space are comments.",
    ];

    public static Command Create()
    {
        var shared = new Option<DirectoryInfo>("--shared") { Description = "The folder of reference data, with data/ and models/minilm-l6.", Required = true };
        var output = new Option<FileInfo>("--output") { Description = "The gzip file to write.", Required = true };
        var command = new Command("frequencies", "Counts word pieces and writes src/FineMixing.Core/Purification/DefaultFrequencies.txt.gz.") { shared, output };
        command.SetAction(parsed => Run(parsed.GetRequiredValue(shared).FullName, parsed.GetRequiredValue(output).FullName));
        return command;
    }

    private static void Run(string shared, string output)
    {
        var tokenizer = WordPieceTokenizer.FromFolder(Path.Combine(shared, "models", "minilm-l6"));
        var words = CountWords(Path.Combine(shared, "data", "frequencies", "wiki-words.txt"), tokenizer);
        var texts = CountTexts(Path.Combine(shared, "data"), tokenizer);
        var reference = TokenFrequencies.FromJsonFile(Path.Combine(shared, "data", "frequencies", "bert-pretraining-wordpieces.json")).Counts;

        // Fractions survive: the largest weights are whole, so everything is counted in seventieths before the final scale.
        var wordCounts = words.ToCounts(70);
        var textCounts = texts.ToCounts(70);
        var balance = wordCounts.Values.Sum() / (double)textCounts.Values.Sum();
        var combined = wordCounts.Keys.Union(textCounts.Keys).ToDictionary(
            token => token,
            token => wordCounts.GetValueOrDefault(token) + balance * textCounts.GetValueOrDefault(token));
        var scale = Math.Exp(combined.Where(pair => reference.GetValueOrDefault(pair.Key) > 0).Select(pair => Math.Log(reference[pair.Key] / pair.Value)).Median());
        var counts = combined.Select(pair => KeyValuePair.Create(pair.Key, (long)Math.Round(pair.Value * scale))).Where(pair => pair.Value > 0).ToDictionary();

        Write(output, counts);
        Report("word list alone", wordCounts, reference, tokenizer);
        Report("texts alone", textCounts, reference, tokenizer);
        Report("both (written)", counts, reference, tokenizer);
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"written: {counts.Count} word pieces, total {counts.Values.Sum()}, below 20: {counts.Values.Count(count => count < 20)}, {new FileInfo(output).Length} bytes"));
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"public table: {reference.Count} word pieces, total {reference.Values.Sum()}, below 20: {reference.Values.Count(count => count < 20)}"));
    }

    /// <summary>Lines of a quoted word or word piece and its count.</summary>
    private static TokenFrequencyCounter CountWords(string file, WordPieceTokenizer tokenizer)
    {
        var counter = new TokenFrequencyCounter(tokenizer);
        foreach (var line in File.ReadLines(file))
        {
            var space = line.LastIndexOf(' ');
            if (space < 0)
                continue;
            var word = JsonSerializer.Deserialize<string>(line[..space])!;
            var count = double.Parse(line.AsSpan(space + 1), CultureInfo.InvariantCulture);
            if (tokenizer.TryGetId(word, out var id))
            {
                counter.Add(id, count);
                continue;
            }

            foreach (var piece in tokenizer.PiecesOf(word))
                counter.Add(piece, count);
        }

        return counter;
    }

    private static TokenFrequencyCounter CountTexts(string data, WordPieceTokenizer tokenizer)
    {
        var counter = new TokenFrequencyCounter(tokenizer);
        foreach (var (folder, weight) in Corpora)
        {
            var examples = DataFile.Read(Path.Combine(data, folder, "train.tsv"));
            counter.Add(examples.SelectMany(example => example.TextPair is null ? new[] { example.Text } : [example.Text, example.TextPair]), weight);
        }

        return counter;
    }

    private static void Write(string output, IReadOnlyDictionary<string, long> counts)
    {
        var temporary = output + ".tmp";
        using (var writer = new StreamWriter(new GZipStream(File.Create(temporary), CompressionLevel.SmallestSize)))
            FrequencyTableFile.Write(writer, Header, counts);
        File.Move(temporary, output, overwrite: true);
    }

    private static void Report(string name, IReadOnlyDictionary<string, long> counts, IReadOnlyDictionary<string, long> reference, WordPieceTokenizer tokenizer)
    {
        var all = Enumerable.Range(0, tokenizer.VocabularySize).Where(id => !tokenizer.SpecialIds.Contains(id)).Select(tokenizer.TokenOf).ToList();
        var common = all.Where(token => counts.ContainsKey(token) && reference.ContainsKey(token)).ToList();
        Console.WriteLine(string.Create(
            CultureInfo.InvariantCulture,
            $"{name}: Spearman rank correlation with the public table {Spearman(all):F3} over all {all.Count} word pieces (absent: 0), {Spearman(common):F3} over the {common.Count} both have"));

        double Spearman(List<string> tokens) => Correlation.Spearman(
            tokens.Select(token => (double)counts.GetValueOrDefault(token)),
            tokens.Select(token => (double)reference.GetValueOrDefault(token)));
    }
}
