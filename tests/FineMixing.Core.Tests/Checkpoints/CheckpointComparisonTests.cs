using FineMixing.Checkpoints;

namespace FineMixing.Tests.Checkpoints;

public class CheckpointComparisonTests
{
    [Theory]
    [InlineData("sst2-word")]
    [InlineData("sst2-sentence")]
    [InlineData("sst2-ep")]
    public void Compare_RealSuspectAndItsBase_LeavesOnlyTheHead(string name)
    {
        using var suspect = Checkpoint.Open(SharedData.Path("models", name));
        using var @base = Checkpoint.Open(SharedData.Path("models", "minilm-l6"));
        var comparison = CheckpointComparison.Compare(suspect, @base);
        comparison.ThrowIfIncompatible();
        Assert.Equal(["classifier.bias", "classifier.weight"], comparison.SuspectOnly.Select(t => t.Name).Order(StringComparer.Ordinal));
        Assert.Empty(comparison.BaseOnly);
        Assert.Equal(["embeddings.position_ids"], comparison.StrayBuffers.Select(t => t.Name));
        Assert.Equal(suspect.Tensors.Count - 2, comparison.Pairs.Count);
        Assert.Equal(comparison.Pairs.Count, comparison.DTypeDifferences.Count());
    }

    [Fact]
    public void Compare_PrefixOnTheBaseOnly_Matches() =>
        AssertPairs(Model("embeddings.w", "classifier.weight"), Model("bert.embeddings.w", "cls.predictions.bias"), "embeddings.w=bert.embeddings.w");

    [Fact]
    public void Compare_PrefixOnBothSides_IsNotRemoved()
    {
        var comparison = CheckpointComparison.Compare(Model("bert.a", "b"), Model("bert.b", "bert.a"));
        Assert.Equal(["bert.a"], comparison.Pairs.Select(p => p.Suspect.Name));
        Assert.Equal(2, comparison.Problems.Count);
    }

    [Fact]
    public void Compare_OldNamesOfLayerNorm_Match() =>
        AssertPairs(Model("e.LayerNorm.gamma", "e.LayerNorm.bias"), Model("e.LayerNorm.weight", "e.LayerNorm.beta"),
            "e.LayerNorm.gamma=e.LayerNorm.weight", "e.LayerNorm.bias=e.LayerNorm.beta");

    [Fact]
    public void Compare_OldNamesAndPrefix_Match() => AssertPairs(Model("bert.LayerNorm.gamma"), Model("LayerNorm.weight"), "bert.LayerNorm.gamma=LayerNorm.weight");

    [Fact]
    public void Compare_GammaElsewhere_IsAName()
    {
        var comparison = CheckpointComparison.Compare(Model("layer.gamma"), Model("layer.weight"));
        Assert.Empty(comparison.Pairs);
    }

    [Fact]
    public void Compare_HeadOfBothWithOtherShape_IsOnlyTheirs()
    {
        var suspect = Model("encoder.w", "classifier.weight");
        var @base = Model("encoder.w");
        @base.Add(new HostTensor(new TensorInfo("classifier.weight", DType.U8, [9]), new byte[9]));
        var comparison = CheckpointComparison.Compare(suspect, @base);
        comparison.ThrowIfIncompatible();
        Assert.Equal("classifier.weight", Assert.Single(comparison.SuspectOnly).Name);
        Assert.Equal("classifier.weight", Assert.Single(comparison.BaseOnly).Name);
    }

    [Fact]
    public void Compare_PoolerOnlyInTheSuspect_IsNoProblem()
    {
        var comparison = CheckpointComparison.Compare(Model("bert.encoder.w", "bert.pooler.dense.weight"), Model("bert.encoder.w"));
        comparison.ThrowIfIncompatible();
        Assert.Equal(["bert.pooler.dense.weight"], comparison.SuspectOnly.Select(t => t.Name));
    }

    [Fact]
    public void ThrowIfIncompatible_ManyDifferences_ListsAllAtOnce()
    {
        var suspect = Model("encoder.layer.0.w", "encoder.layer.1.w", "embeddings.w");
        var @base = Model("encoder.layer.0.w", "encoder.layer.2.w");
        @base.Add(new HostTensor(new TensorInfo("embeddings.w", DType.U8, [2, 1]), new byte[2]));
        var error = Assert.Throws<IncompatibleCheckpointsException>(CheckpointComparison.Compare(suspect, @base).ThrowIfIncompatible);
        Assert.Equal(
            ["'embeddings.w' is [2] in the suspect and [2, 1] in the base.", "'encoder.layer.1.w' [2] is missing in the base.", "'encoder.layer.2.w' [2] is missing in the suspect."],
            error.Differences);
        Assert.All(error.Differences, d => Assert.Contains(d, error.Message, StringComparison.Ordinal));
    }

    [Fact]
    public void ThrowIfIncompatible_NothingInCommon_SaysSo() =>
        Assert.Contains("no tensor in common", Assert.Throws<IncompatibleCheckpointsException>(CheckpointComparison.Compare(Model("a"), Model("b")).ThrowIfIncompatible).Message, StringComparison.Ordinal);

    [Fact]
    public void Compare_BuffersOnOneSide_AreNoProblem()
    {
        var suspect = Model("h.0.w", "embeddings.position_ids", "model.rotary_emb.inv_freq");
        suspect.Add(new HostTensor(new TensorInfo("h.0.attn.bias", DType.U8, [1, 1, 2, 2]), new byte[4]));
        var comparison = CheckpointComparison.Compare(suspect, Model("h.0.w"));
        comparison.ThrowIfIncompatible();
        Assert.Equal(3, comparison.StrayBuffers.Count);
        Assert.Empty(comparison.SuspectOnly);
    }

    [Theory]
    [InlineData("classifier.weight", true)]
    [InlineData("bert.pooler.dense.bias", true)]
    [InlineData("score.weight", true)]
    [InlineData("lm_head.weight", true)]
    [InlineData("cls.predictions.decoder.weight", true)]
    [InlineData("head.dense.weight", true)]
    [InlineData("bert.encoder.layer.0.attention.self.query.weight", false)]
    [InlineData("model.layers.0.mlp.score.weight", false)]
    [InlineData("model.norm.weight", false)]
    public void IsHead_KnownNames_AreToldApart(string name, bool head) => Assert.Equal(head, CheckpointComparison.IsHead(name));

    private static void AssertPairs(ICheckpoint suspect, ICheckpoint @base, params string[] pairs)
    {
        var comparison = CheckpointComparison.Compare(suspect, @base);
        Assert.Empty(comparison.Problems);
        Assert.Equal(pairs, comparison.Pairs.Select(p => $"{p.Suspect.Name}={p.Base.Name}"));
    }

    private static StateDict Model(params string[] names) => StateDicts.Random(1, [.. names.Select(n => new TensorInfo(n, DType.U8, [2]))]);
}
