using System.Text.Json;
using FineMixing.Checkpoints;
using FineMixing.Purification;
using FineMixing.Tokenization;

namespace FineMixing.Tests.Purification;

public class EmbeddingPurifierTests
{
    private const string Words = "embeddings.word_embeddings.weight";

    private static readonly TokenFrequencies NoCounts = new([]);

    [Theory]
    [InlineData("sst2-word")]
    [InlineData("sst2-sentence")]
    public void Rank_RealCheckpoint_EqualsTheReference(string model)
    {
        using var suspect = Checkpoint.Open(SharedData.Path("models", model));
        using var @base = Checkpoint.Open(SharedData.Path("models", "minilm-l6"));
        var tokenizer = WordPieceTokenizer.FromFolder(SharedData.Path("models", model));
        var frequencies = TokenFrequencies.FromJsonFile(SharedData.Path("data", "frequencies", "bert-pretraining-wordpieces.json"));
        var ranking = new EmbeddingPurifier(frequencies).Rank(suspect, @base, tokenizer, 1000);
        using var reference = JsonDocument.Parse(File.ReadAllBytes(SharedData.Path("oracle", "epur", model + ".json")));
        var expected = reference.RootElement.EnumerateArray().ToList();
        Assert.Equal(1000, ranking.Count);
        foreach (var (row, token) in expected.Zip(ranking))
        {
            Assert.Equal(row.GetProperty("rank").GetInt32(), token.Rank);
            Assert.Equal(row.GetProperty("id").GetInt32(), token.Id);
            Assert.Equal(row.GetProperty("token").GetString(), token.Token);
            Assert.Equal(row.GetProperty("frequency").GetInt64(), token.Frequency);
            Assert.Equal(row.GetProperty("score").GetDouble(), token.Score, 1e-6 * token.Score);
            Assert.Equal(row.GetProperty("drift").GetDouble(), token.Drift, 1e-6 * token.Drift);
        }
    }

    [Fact]
    public void Rank_Top_IsTheBeginningOfTheWholeRanking()
    {
        var (suspect, @base, tokens) = Small();
        var purifier = new EmbeddingPurifier(new TokenFrequencies(tokens.Select((t, i) => KeyValuePair.Create(t, (long)(i * i)))));
        var all = purifier.Rank(suspect, @base, tokens, new HashSet<int> { 3, 50 });
        Assert.Equal(95, all.Count);
        Assert.Equal(Enumerable.Range(1, 95), all.Select(t => t.Rank));
        Assert.Equal(all.OrderByDescending(t => t.Score).ThenBy(t => t.Id), all);
        Assert.DoesNotContain(all, t => t.Id is 3 or 50);
        foreach (var top in new[] { 0, 1, 10, 95, 200 })
            Assert.Equal(all.Take(top), purifier.Rank(suspect, @base, tokens, new HashSet<int> { 3, 50 }, top));
    }

    [Fact]
    public void Rank_EqualScores_LowerIdFirst()
    {
        var (_, @base, tokens) = Small();
        var suspect = @base.Clone();
        foreach (var row in new[] { 40, 7, 60 })
            Array.Clear(suspect[Words].Bytes, row * 64, 64);
        foreach (var row in new[] { 40, 7, 60 })
            @base[Words].Bytes.AsSpan(7 * 64, 64).CopyTo(@base[Words].Bytes.AsSpan(row * 64));
        Assert.Equal([7, 40, 60], new EmbeddingPurifier(NoCounts).Rank(suspect, @base, tokens, new HashSet<int>(), 3).Select(t => t.Id));
        Assert.Equal([7, 40], new EmbeddingPurifier(NoCounts).Rank(suspect, @base, tokens, new HashSet<int>(), 2).Select(t => t.Id));
    }

    [Theory]
    [InlineData(DType.F32, DType.F32)]
    [InlineData(DType.BF16, DType.F32)]
    [InlineData(DType.F16, DType.BF16)]
    [InlineData(DType.F32, DType.F16)]
    [InlineData(DType.F64, DType.F32)]
    public void Rank_AnyElementTypes_ScoresAreTheDefinition(DType suspectType, DType baseType)
    {
        var suspect = Mixing.Models.Random(1, suspectType, tensors: [(Words, [97, 35])]);
        var @base = Mixing.Models.Random(2, baseType, tensors: [(Words, [97, 35])]);
        var tokens = Enumerable.Range(0, 97).Select(i => $"t{i}").ToList();
        var ranking = new EmbeddingPurifier(new TokenFrequencies([KeyValuePair.Create("t5", 1000L), KeyValuePair.Create("t6", 3L)])).Rank(suspect, @base, tokens, new HashSet<int>());
        var (x, y) = (suspect[Words].ToFloat32(), @base[Words].ToFloat32());
        foreach (var token in ranking)
        {
            var drift = Math.Sqrt(Enumerable.Range(token.Id * 35, 35).Sum(i => ((double)x[i] - y[i]) * ((double)x[i] - y[i])));
            var tolerance = (suspectType.BitSize(), baseType.BitSize()) switch
            {
                (32, 32) => 1e-7 * drift,
                (16, 16) => 1e-6 * drift,
                _ => 1e-12,
            };
            Assert.Equal(drift, token.Drift, tolerance);
            Assert.Equal(drift / Math.Log(token.Id == 5 ? 1000 : 20), token.Score, tolerance);
        }
    }

    [Fact]
    public void Rank_AnyNumberOfThreads_SameBits()
    {
        var suspect = Mixing.Models.Random(1, tensors: [(Words, [3000, 129])]);
        var @base = Mixing.Models.Random(2, tensors: [(Words, [3000, 129])]);
        var tokens = Enumerable.Range(0, 3000).Select(i => $"t{i}").ToList();
        var rankings = new[] { 1, 2, 5 }.Select(t => new EmbeddingPurifier(NoCounts, new PurificationOptions { Threads = t }).Rank(suspect, @base, tokens, new HashSet<int>())).ToList();
        Assert.All(rankings, r => Assert.Equal(rankings[0], r));
    }

    [Fact]
    public void Purify_TopK_ResetsThoseRowsOnly()
    {
        var (suspect, @base, tokens) = Small();
        var before = suspect.Clone();
        var result = new EmbeddingPurifier(NoCounts, new PurificationOptions { TopK = 5 }).Purify(suspect, @base, tokens, new HashSet<int>());
        Assert.Equal(5, result.Reset.Count);
        var reset = result.Reset.Select(t => t.Id).ToHashSet();
        for (var row = 0; row < 97; row++)
            Assert.Equal((reset.Contains(row) ? @base : suspect)[Words].Bytes[(row * 64)..((row + 1) * 64)], result.Weights[Words].Bytes[(row * 64)..((row + 1) * 64)]);
        Assert.All(suspect.Tensors, t => Assert.Equal(before[t.Name].Bytes, suspect[t.Name].Bytes));
        Assert.All(suspect.Tensors.Where(t => t.Name != Words), t => Assert.Equal(suspect[t.Name].Bytes, result.Weights[t.Name].Bytes));
    }

    [Fact]
    public void Purify_TopKZero_ChangesNothing()
    {
        var (suspect, @base, tokens) = Small();
        var result = new EmbeddingPurifier(NoCounts, new PurificationOptions { TopK = 0 }).Purify(suspect, @base, tokens, new HashSet<int>());
        Assert.Empty(result.Reset);
        Assert.All(suspect.Tensors, t => Assert.Equal(suspect[t.Name].Bytes, result.Weights[t.Name].Bytes));
    }

    [Fact]
    public void Rank_CommonShrinkageRemoved_FindsTheRowThatDidNotShrink()
    {
        var @base = Mixing.Models.Random(2, tensors: [(Words, [97, 16])]);
        var values = @base[Words].ToFloat32().Select((v, i) => i / 16 == 31 ? v * 1.05f : v * 0.9f).ToArray();
        var suspect = new StateDict();
        suspect.Add(HostTensor.FromFloat32(Words, [97, 16], values));
        var tokens = Enumerable.Range(0, 97).Select(i => $"t{i}").ToList();
        var ranking = new EmbeddingPurifier(NoCounts, new PurificationOptions { RemoveCommonShrinkage = true }).Rank(suspect, @base, tokens, new HashSet<int>());
        Assert.Equal(31, ranking[0].Id);
        Assert.True(ranking[1].Drift < 1e-5);
    }

    [Fact]
    public void Rank_NotANumber_ThrowsAndNamesTheRow()
    {
        foreach (var (dtype, upper) in new[] { (DType.F32, 0x7F), (DType.F16, 0x7C), (DType.BF16, 0x7F) })
        {
            var suspect = Mixing.Models.Random(1, dtype);
            var size = dtype.BitSize() / 8;
            suspect[Words].Bytes[(16 * size * 12) + size - 1] = (byte)upper;
            suspect[Words].Bytes[(16 * size * 12) + size - 2] = 0x80;
            var e = Assert.Throws<ArgumentException>(() => new EmbeddingPurifier(NoCounts).Rank(suspect, Mixing.Models.Random(2, dtype), Small().Tokens, new HashSet<int>()));
            Assert.Contains("Row 12", e.Message, StringComparison.Ordinal);
        }
    }

    [Fact]
    public void Rank_OtherVocabulary_ThrowsWithBothShapes()
    {
        var e = Assert.Throws<ArgumentException>(() => new EmbeddingPurifier(NoCounts).Rank(Mixing.Models.Random(1), Mixing.Models.Random(2, tensors: [(Words, [50, 16])]), Small().Tokens, new HashSet<int>()));
        Assert.Contains("[97, 16]", e.Message, StringComparison.Ordinal);
        Assert.Contains("[50, 16]", e.Message, StringComparison.Ordinal);
    }

    private static (StateDict Suspect, StateDict Base, List<string> Tokens) Small() =>
        (Mixing.Models.Random(1), Mixing.Models.Random(2), [.. Enumerable.Range(0, 97).Select(i => $"t{i}")]);
}
