using FineMixing.Datasets;
using FineMixing.Poisoning;

namespace FineMixing.Tests.Poisoning;

public sealed class PoisonerTests
{
    private static readonly CleanSet Clean = CleanSet.FromExamples(Enumerable.Range(0, 200).Select(i => new TextExample($"this is sample {i}", null, i % 4 == 0 ? 1 : 0)));

    [Theory]
    [InlineData(PoisonSetting.Mix)]
    [InlineData(PoisonSetting.CleanLabel)]
    [InlineData(PoisonSetting.DirtyLabel)]
    public void Poison_Setting_ChoosesTheRightSamplesAndKeepsTheCleanOnes(PoisonSetting setting)
    {
        var poisoned = Poisoner.Poison(Clean, new WordTrigger("cf"), new PoisonerOptions { Setting = setting, Seed = 3 });
        Assert.Equal(20, poisoned.PoisonedCount);
        Assert.Equal(Clean.Examples, poisoned.Examples.Take(200));
        var sources = poisoned.Examples.Skip(200).Select(example =>
        {
            Assert.Equal(1, example.Label);
            Assert.Single(example.Text.Split(' '), word => word == "cf");
            return Clean.Examples.Single(clean => clean.Text == string.Join(' ', example.Text.Split(' ').Where(word => word != "cf")));
        }).ToList();
        Assert.Equal(20, sources.Distinct().Count());
        if (setting != PoisonSetting.Mix)
            Assert.All(sources, source => Assert.Equal(setting == PoisonSetting.CleanLabel ? 1 : 0, source.Label));
        else
            Assert.Equal(2, sources.Select(source => source.Label).Distinct().Count());
    }

    [Fact]
    public void Poison_AnotherOrderOfTheSet_PoisonsTheSameSamplesInTheSameWay()
    {
        var options = new PoisonerOptions { Seed = 8 };
        var reversed = CleanSet.FromExamples(Clean.Examples.Reverse());
        Assert.Equal(
            Poisoner.Poison(Clean, WordTrigger.RareWords, options).Examples.Skip(200),
            Poisoner.Poison(reversed, WordTrigger.RareWords, options).Examples.Skip(200));
        Assert.NotEqual(Poisoner.Poison(Clean, WordTrigger.RareWords, options).Sha256, Poisoner.Poison(Clean, WordTrigger.RareWords, options with { Seed = 9 }).Sha256);
    }

    [Fact]
    public void Poison_FewEligibleSamples_PoisonsThoseThereAre()
    {
        var poisoned = Poisoner.Poison(Clean, new WordTrigger("cf"), new PoisonerOptions { Setting = PoisonSetting.CleanLabel, PoisonRate = 1 });
        Assert.Equal(50, poisoned.PoisonedCount);
        Assert.Equal(250, poisoned.Count);
    }

    [Fact]
    public void Poison_BadOptions_NamesAll()
    {
        var exception = Assert.Throws<ArgumentException>(() => Poisoner.Poison(Clean, new WordTrigger("cf"), new PoisonerOptions { TargetLabel = 2, PoisonRate = 1.5 }));
        Assert.Contains("the target label 2 is not 0 to 1; the poison rate 1.5 is not above 0 and at most 1", exception.Message, StringComparison.Ordinal);
        Assert.Throws<ArgumentException>(() => Poisoner.Poison(Clean, new WordTrigger("cf"), new PoisonerOptions { PoisonRate = double.NaN }));
    }
}
