using FineMixing.Mixing;

namespace FineMixing.Tests.Mixing;

/// <summary>Every reference merge is met to 1e-6.</summary>
public class MergeReferenceTests
{
    [Theory]
    [MemberData(nameof(ReferenceMerge.Names), MemberType = typeof(ReferenceMerge))]
    public void Mix_ReferenceMerge_IsMet(string reference)
    {
        var merge = ReferenceMerge.Read(reference);
        var (expected, mixed) = (merge.Expected, WeightMixing.Mix(merge.Mixer, merge.Models[0], merge.Base, new MixingOptions(), [.. merge.Models.Skip(1)]).Weights);
        Assert.Equal(expected.Tensors.Select(t => t.Name).Order(StringComparer.Ordinal), mixed.Tensors.Select(t => t.Name).Order(StringComparer.Ordinal));
        Assert.All(expected.Tensors, t => Assert.All(expected[t.Name].ToFloat32().Zip(mixed[t.Name].ToFloat32()), p => Assert.InRange(Math.Abs(p.First - p.Second), 0, 1e-6f)));
    }
}
