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
    }
}
