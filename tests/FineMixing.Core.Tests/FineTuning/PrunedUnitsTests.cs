using FineMixing.FineTuning;

namespace FineMixing.Tests.FineTuning;

public class PrunedUnitsTests
{
    [Theory]
    [InlineData(1.0, new int[0])]
    [InlineData(0.5, new[] { 1, 3 })]
    [InlineData(0.3, new[] { 0, 1, 3 })]
    [InlineData(0.0, new[] { 0, 1, 2, 3 })]
    public void Dormant_KeepsTheMostActive(double reserveRatio, int[] pruned) =>
        Assert.Equal(pruned, PrunedUnits.Dormant([[0.5, 0.1, 0.9, 0.2]], reserveRatio).PerLayer[0]);

    [Theory]
    [InlineData(0.0, new int[0])]
    [InlineData(0.3, new[] { 3 })]
    [InlineData(0.5, new[] { 1, 3 })]
    [InlineData(1.0, new[] { 0, 1, 2, 3 })]
    public void Excited_TakesThoseThatGrowMost(double share, int[] chosen)
    {
        // Unit 0 is the most active, and less so with it; unit 2 stays; 1 and 3 grow.
        var units = PrunedUnits.Excited([[8, 0.3, 0.4, 0.9], [1, 1, 1, 2]], [[9, 0.1, 0.4, 0.2], [1, 0.5, 1, 1]], share);
        Assert.Equal(chosen, units.PerLayer[0]);
        Assert.Equal(chosen, units.PerLayer[1]);
    }

    [Fact]
    public void Excited_UnitsThatGrowAlike_TheFirstAreTaken() =>
        Assert.Equal([0, 1], PrunedUnits.Excited([[1, 1, 1, 1]], [[0, 0, 0, 0]], 0.5).PerLayer[0]);

    [Fact]
    public void Excited_OtherModel_Throws()
    {
        Assert.Throws<ArgumentException>(() => PrunedUnits.Excited([[1, 2]], [[1, 2, 3]], 0.5));
        Assert.Throws<ArgumentException>(() => PrunedUnits.Excited([[1, 2]], [[1, 2], [1, 2]], 0.5));
        Assert.Throws<ArgumentOutOfRangeException>(() => PrunedUnits.Excited([[1, 2]], [[1, 2]], 1.1));
    }
}
