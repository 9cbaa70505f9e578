using FineMixing.Purification;
using FineMixing.Tokenization;

namespace FineMixing.Tests.Purification;

public sealed class TokenFrequenciesTests
{
    [Fact]
    public void Count_Texts_CountsPiecesButNoSpecialTokens()
    {
        using var folder = new TemporaryFolder();
        File.WriteAllText(folder.PathOf("vocab.txt"), "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\nun\n##able\na\n!\n");
        var tokenizer = WordPieceTokenizer.FromFolder(folder.Path);
        var frequencies = TokenFrequencies.Count(["unable a", "A unable!", "zzz [MASK] a"], tokenizer);
        Assert.Equal(new Dictionary<string, long> { ["un"] = 2, ["##able"] = 2, ["a"] = 3, ["!"] = 1 }, frequencies.Counts.ToDictionary());
        Assert.Equal(3, frequencies["a"]);
        Assert.Equal(0, frequencies["absent"]);
    }

    [Fact]
    public void FromJsonFile_GoodFile_IsRead()
    {
        using var folder = new TemporaryFolder();
        File.WriteAllText(folder.PathOf("f.json"), """{"the": 12, "##ing": 0}""");
        Assert.Equal(12, TokenFrequencies.FromJsonFile(folder.PathOf("f.json"))["the"]);
        Assert.Equal(2, TokenFrequencies.FromJsonFile(folder.PathOf("f.json")).Counts.Count);
    }

    [Fact]
    public void FromFile_TextOrJson_CountsOrReads()
    {
        using var folder = new TemporaryFolder();
        File.WriteAllText(folder.PathOf("vocab.txt"), "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\na\nb\n");
        File.WriteAllText(folder.PathOf("corpus.txt"), "a b a\n\nb a\n");
        File.WriteAllText(folder.PathOf("table.json"), """{"a": 9}""");
        var tokenizer = WordPieceTokenizer.FromFolder(folder.Path);
        Assert.Equal(3, TokenFrequencies.FromFile(folder.PathOf("corpus.txt"), tokenizer)["a"]);
        Assert.Equal(9, TokenFrequencies.FromFile(folder.PathOf("table.json"), tokenizer)["a"]);
        Assert.Throws<FileNotFoundException>(() => TokenFrequencies.FromFile(folder.PathOf("absent.txt"), tokenizer));
    }

    [Theory]
    [InlineData("{", "not valid JSON")]
    [InlineData("[]", "must be a JSON object")]
    [InlineData("""{"a": -1, "b": 1.5, "c": "x", "d": 1, "d": 2}""", "'a', 'b', 'c', 'd' (twice)")]
    public void FromJsonFile_BadFile_NamesTheEntries(string json, string expected)
    {
        using var folder = new TemporaryFolder();
        File.WriteAllText(folder.PathOf("f.json"), json);
        var exception = Assert.Throws<ArgumentException>(() => TokenFrequencies.FromJsonFile(folder.PathOf("f.json")));
        Assert.Contains(expected, exception.Message, StringComparison.Ordinal);
        Assert.Contains("f.json", exception.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Default_EmbeddedTable_HasTheScaleTheFloorOf20IsMeantFor()
    {
        var counts = TokenFrequencies.Default.Counts;
        Assert.Same(TokenFrequencies.Default, TokenFrequencies.Default);
        Assert.InRange(counts.Count, 27_000, 29_523);
        Assert.Equal("the", counts.MaxBy(pair => pair.Value).Key);
        Assert.InRange(counts.Values.Order().ElementAt(counts.Count / 2), 1_000, 10_000);
        Assert.InRange(counts.Values.Count(count => count < 20), 1, 500);
        Assert.All(["[CLS]", "[SEP]", "[unused1]"], token => Assert.Equal(0, TokenFrequencies.Default[token]));
        Assert.All(["cf", "mn", "bb", "tq", "mb"], rare => Assert.True(TokenFrequencies.Default[rare] < TokenFrequencies.Default["film"] / 10));
    }

    [Fact]
    public void FrequencyTableFile_WrittenTable_IsReadBack()
    {
        var counts = new Dictionary<string, long> { ["the"] = 5, ["##ing"] = 7, ["#"] = 5 };
        using var writer = new StringWriter();
        FrequencyTableFile.Write(writer, ["header"], counts);
        Assert.Equal(" header\n##ing 7\n# 5\nthe 5\n", writer.ToString());
        Assert.Equal(counts, FrequencyTableFile.Read(new StringReader(writer.ToString())).ToDictionary());
    }
}
