using System.Text.Json;
using FineMixing.Checkpoints;
using FineMixing.Datasets;
using FineMixing.Tokenization;
using FsCheck;
using FsCheck.Fluent;

namespace FineMixing.Tests.Tokenization;

public sealed class WordPieceTokenizerTests
{
    private const string SmallVocabulary = "[PAD]\n[unused0]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\nun\n##aff\n##able\ncafe\na\nb\n!\n[unused1]\n";

    [Theory]
    [InlineData("models/minilm-l6", "oracle/tokenizer/bert-uncased.jsonl", 948)]
    [InlineData("oracle/tokenizer/bert-cased", "oracle/tokenizer/bert-cased/ids.jsonl", 0)]
    public void Encode_ReferenceTexts_GivesReferenceIds(string folder, string reference, int lines)
    {
        var tokenizer = WordPieceTokenizer.FromFolder(SharedData.Path(folder.Split('/')));
        var differences = new List<string>();
        var count = 0;
        foreach (var line in File.ReadLines(SharedData.Path(reference.Split('/'))))
        {
            count++;
            using var document = JsonDocument.Parse(line);
            var root = document.RootElement;
            var truncation = root.GetProperty("truncation").GetString() switch
            {
                "longest_first" => Truncation.LongestFirst,
                "only_first" => Truncation.OnlyFirst,
                "only_second" => Truncation.OnlySecond,
                var other => throw new InvalidDataException(other),
            };
            var actual = tokenizer.Encode(root.GetProperty("text").GetString()!, root.GetProperty("text_pair").GetString(), root.GetProperty("max_length").GetInt32(), truncation);
            var ids = root.GetProperty("ids").EnumerateArray().Select(id => id.GetInt32()).ToArray();
            var types = root.GetProperty("type_ids").EnumerateArray().Select(id => id.GetInt32()).ToArray();
            if (!ids.SequenceEqual(actual.Ids) || !types.SequenceEqual(actual.TypeIds))
                differences.Add($"line {count}: {line}\n  actual ids {string.Join(", ", actual.Ids)}\n  actual types {string.Join("", actual.TypeIds)}");
        }

        Assert.True(differences.Count == 0, $"{differences.Count} of {count} lines differ, first:\n{string.Join('\n', differences.Take(3))}");
        Assert.True(count >= lines && count > 100);
    }

    [Fact]
    public void FromFolder_VocabularyFileOrTokenizerJson_GiveTheSameIds()
    {
        using var folder = new TemporaryFolder();
        var source = SharedData.Path("models", "minilm-l6");
        File.Copy(Path.Combine(source, "vocab.txt"), folder.PathOf("vocab.txt"));
        var fromText = WordPieceTokenizer.FromFolder(folder.Path);
        var fromJson = WordPieceTokenizer.FromFolder(source);
        Assert.Equal(fromJson.VocabularySize, fromText.VocabularySize);
        Assert.Equal(fromJson.SpecialIds.Order(), fromText.SpecialIds.Order());
        Assert.Equal(999, fromText.SpecialIds.Count);
        Assert.Equal(fromJson.Encode("Ünder the [MASK] moon, naïvely!", null, 128).Ids, fromText.Encode("Ünder the [MASK] moon, naïvely!", null, 128).Ids);
    }

    [Fact]
    public void Encode_SmallVocabulary_CutsIntoLongestPieces()
    {
        using var folder = new TemporaryFolder();
        var tokenizer = Create(folder, SmallVocabulary);
        Assert.Equal([3, 6, 7, 8, 12, 5, 9, 4], tokenizer.Encode("UNaffable![MASK] Café", null, 16).Ids);
        Assert.Equal([3, 2, 4, 10, 4], tokenizer.Encode("xyz", "a", 16).Ids);
        Assert.Equal([0, 0, 0, 1, 1], tokenizer.Encode("xyz", "a", 16).TypeIds);
        Assert.Equal([0, 1, 2, 3, 4, 5, 13], tokenizer.SpecialIds.Order());
        Assert.Equal("##aff", tokenizer.TokenOf(7));
        Assert.True(tokenizer.TryGetId("##able", out var id) && id == 8);
        Assert.False(tokenizer.TryGetId("nothing", out _));
    }

    [Fact]
    public void Encode_AddedTokensBesideTheVocabulary_AreOneTokenAndNotSpecial()
    {
        using var folder = new TemporaryFolder();
        File.WriteAllText(folder["added_tokens.json"], """{ "Zürich": 15, "cfx": 14, "[MASK]": 5 }""");
        var tokenizer = Create(folder, SmallVocabulary);
        Assert.Equal(16, tokenizer.VocabularySize);
        Assert.Equal([3, 10, 14, 11, 15, 4], tokenizer.Encode("A cfx b Zürich", null, 16).Ids);
        Assert.Equal([0, 1, 2, 3, 4, 5, 13], tokenizer.SpecialIds.Order());
    }

    [Theory]
    [InlineData("""{ "cfx": 15 }""", "no id 14")]
    [InlineData("""{ "cfx": 14, "mnx": 14 }""", "'mnx' has the id 14")]
    [InlineData("""{ "un": 14 }""", "'un' has the id 14")]
    [InlineData("""{ "cfx": "14" }""", "whole number")]
    [InlineData("[]", "object of token and id")]
    public void FromFolder_BadAddedTokens_SaysWhatIsWrong(string json, string expected)
    {
        using var folder = new TemporaryFolder();
        File.WriteAllText(folder["added_tokens.json"], json);
        var error = Assert.Throws<CheckpointFormatException>(() => Create(folder, SmallVocabulary));
        Assert.Contains(expected, error.Message);
        Assert.Contains("added_tokens.json", error.Message);
    }

    [Fact]
    public void Encode_CasedConfiguration_KeepsCaseAndAccents()
    {
        using var folder = new TemporaryFolder();
        File.WriteAllText(folder.PathOf("tokenizer_config.json"), """{"do_lower_case": false, "strip_accents": null}""");
        var tokenizer = Create(folder, SmallVocabulary);
        Assert.Equal([3, 2, 2, 9, 4], tokenizer.Encode("Cafe café cafe", null, 16).Ids);
    }

    [Theory]
    [InlineData(6, Truncation.LongestFirst, "3 10 4 11 4")]
    [InlineData(7, Truncation.LongestFirst, "3 10 10 4 11 11 4")]
    [InlineData(7, Truncation.OnlySecond, "3 10 10 10 4 4")]
    public void Encode_PairTooLong_IsCut(int maxLength, Truncation truncation, string start)
    {
        using var folder = new TemporaryFolder();
        var tokenizer = Create(folder, SmallVocabulary);
        var expectedFirst = start.Split(' ').Select(int.Parse).Count(id => id == 10);
        if (truncation == Truncation.OnlySecond)
        {
            Assert.Equal(maxLength, tokenizer.Encode("a a a", "b b b b", maxLength, truncation).Length);
            Assert.Equal(expectedFirst, tokenizer.Encode("a a a", "b b b b", maxLength, truncation).Ids.Count(id => id == 10));
            return;
        }

        var encoding = tokenizer.Encode("a a a a a", "b b b b b", maxLength, truncation);
        Assert.Equal(maxLength, encoding.Length);
        Assert.True(encoding.Ids.Count(id => id == 11) - encoding.Ids.Count(id => id == 10) is 0 or 1);
    }

    [Fact]
    public void Encode_AnyText_FitsTheLimitAndTheVocabulary()
    {
        using var folder = new TemporaryFolder();
        var tokenizer = Create(folder, SmallVocabulary);
        Check.QuickThrowOnFailure(Prop.ForAll<string, string, byte>((text, pair, limit) =>
        {
            var encoding = tokenizer.Encode(text ?? "\ud800", pair, limit + 4);
            return encoding.Length <= limit + 4 && encoding.Ids.Length == encoding.TypeIds.Length && encoding.Ids[0] == 3 && encoding.Ids[^1] == 4
                && encoding.Ids.All(id => id >= 0 && id < tokenizer.VocabularySize);
        }));
    }

    [Fact]
    public void Encode_TooLowLimit_IsRefused()
    {
        using var folder = new TemporaryFolder();
        var tokenizer = Create(folder, SmallVocabulary);
        Assert.Throws<ArgumentOutOfRangeException>(() => tokenizer.Encode("a", null, 2));
        Assert.Throws<ArgumentOutOfRangeException>(() => tokenizer.Encode("a", "b", 3));
        var exception = Assert.Throws<ArgumentException>(() => tokenizer.Encode("a", "b b b b b b", 5, Truncation.OnlyFirst));
        Assert.Contains("only the first may be cut", exception.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void EncodeAll_ManyThreads_KeepsOrder()
    {
        using var folder = new TemporaryFolder();
        var tokenizer = Create(folder, SmallVocabulary);
        var examples = Enumerable.Range(0, 2000).Select(i => new TextExample(string.Concat(Enumerable.Repeat("unable ", i % 17)) + "a", i % 3 == 0 ? "b!" : null, 0)).ToList();
        var all = tokenizer.EncodeAll(examples, 12, cancellationToken: TestContext.Current.CancellationToken);
        for (var i = 0; i < examples.Count; i++)
            Assert.Equal(tokenizer.Encode(examples[i].Text, examples[i].TextPair, 12).Ids, all[i].Ids);
    }

    [Theory]
    [InlineData("[PAD]\n[CLS]\n[SEP]\n[MASK]\na\n", "lacks '[UNK]'")]
    [InlineData("[PAD]\n[UNK]\n[CLS]\n[SEP]\na\nb\na\n", "line 7 of the vocabulary repeats the token 'a' of line 5")]
    [InlineData("[PAD]\n[UNK]\n\n[CLS]\n", "line 3 of the vocabulary is empty")]
    public void FromFolder_BadVocabulary_NamesFileAndLine(string vocabulary, string expected)
    {
        using var folder = new TemporaryFolder();
        var exception = Assert.Throws<CheckpointFormatException>(() => Create(folder, vocabulary));
        Assert.Contains("vocab.txt", exception.Message, StringComparison.Ordinal);
        Assert.Contains(expected, exception.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("{", "not valid JSON")]
    [InlineData("[]", "no object 'model'")]
    [InlineData("""{"model":{"type":"BPE","vocab":{}}}""", "'BPE'")]
    [InlineData("""{"model":{"type":"WordPiece","vocab":{"[PAD]":0,"[UNK]":2}}}""", "no token with id 1")]
    [InlineData("""{"model":{"type":"WordPiece","vocab":{"[PAD]":0,"[UNK]":0}}}""", "the same id 0")]
    [InlineData("""{"model":{"type":"WordPiece","vocab":{"[PAD]":"x"}}}""", "not a whole number")]
    [InlineData("""{"model":{"type":"WordPiece","vocab":{"[PAD]":0}},"normalizer":{"type":"NFC"}}""", "'NFC'")]
    public void FromFolder_BadTokenizerJson_NamesTheFile(string json, string expected)
    {
        using var folder = new TemporaryFolder();
        File.WriteAllText(folder.PathOf("tokenizer.json"), json);
        var exception = Assert.Throws<CheckpointFormatException>(() => WordPieceTokenizer.FromFolder(folder.Path));
        Assert.Contains("tokenizer.json", exception.Message, StringComparison.Ordinal);
        Assert.Contains(expected, exception.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void FromFolder_NothingThere_SaysWhatIsMissing()
    {
        using var folder = new TemporaryFolder();
        Assert.Contains("neither tokenizer.json nor vocab.txt", Assert.Throws<FileNotFoundException>(() => WordPieceTokenizer.FromFolder(folder.Path)).Message, StringComparison.Ordinal);
        Assert.Throws<DirectoryNotFoundException>(() => WordPieceTokenizer.FromFolder(folder.PathOf("absent")));
    }

    private static WordPieceTokenizer Create(TemporaryFolder folder, string vocabulary)
    {
        File.WriteAllText(folder.PathOf("vocab.txt"), vocabulary);
        return WordPieceTokenizer.FromFolder(folder.Path);
    }
}
