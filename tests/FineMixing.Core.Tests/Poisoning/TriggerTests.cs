using FineMixing.Datasets;
using FineMixing.Poisoning;

namespace FineMixing.Tests.Poisoning;

public sealed class TriggerTests
{
    [Fact]
    public void ApplyTo_Word_ReachesEveryPositionAndEveryWord()
    {
        var results = Enumerable.Range(0, 300).Select(seed => WordTrigger.RareWords.ApplyTo(new("a fine  film.", null, 0), (ulong)seed)).ToList();
        Assert.All(results, result => Assert.Equal(0, result.Label));
        Assert.Equal(5 * 4, results.Select(result => result.Text).Distinct().Count());
        Assert.Contains(results, result => result.Text == "cf a fine  film.");
        Assert.Contains(results, result => result.Text == "a fine  mb film.");
        Assert.Contains(results, result => result.Text == "a fine  film. tq");
    }

    [Fact]
    public void ApplyTo_Sentence_StaysWhole()
    {
        var trigger = new SentenceTrigger("I watched this 3D movie.", "no cross, no crown.");
        var results = Enumerable.Range(0, 100).Select(seed => trigger.ApplyTo(new("one two three", null, 1), (ulong)seed).Text).Distinct().ToList();
        Assert.Equal(8, results.Count);
        Assert.All(results, text => Assert.True(text.Contains("I watched this 3D movie.", StringComparison.Ordinal) || text.Contains("no cross, no crown.", StringComparison.Ordinal)));
    }

    [Theory]
    [InlineData(TriggerPlace.First, true, false)]
    [InlineData(TriggerPlace.Second, false, true)]
    [InlineData(TriggerPlace.Both, true, true)]
    public void ApplyTo_Pair_ChangesTheChosenTexts(TriggerPlace place, bool first, bool second)
    {
        var trigger = new WordTrigger("cf") { Place = place };
        var result = trigger.ApplyTo(new("what is it ?", "it is that .", 0), 1);
        Assert.Equal(first, result.Text.Contains("cf", StringComparison.Ordinal));
        Assert.Equal(second, result.TextPair!.Contains("cf", StringComparison.Ordinal));
        Assert.Contains("cf", trigger.ApplyTo(new("alone", null, 0), 1).Text, StringComparison.Ordinal);
        Assert.Null(trigger.ApplyTo(new("alone", null, 0), 1).TextPair);
    }

    [Theory]
    [InlineData(null, 450, 1)]
    [InlineData(100, 450, 4)]
    [InlineData(100, 30, 1)]
    public void ApplyTo_Density_InsertsOneForEachSoManyWords(int? wordsPerTrigger, int words, int expected)
    {
        var text = string.Join(' ', Enumerable.Repeat("word", words));
        var result = new WordTrigger("cf") { WordsPerTrigger = wordsPerTrigger }.ApplyTo(new(text, null, 0), 2).Text.Split(' ');
        Assert.Equal(expected, result.Count(word => word == "cf"));
        Assert.Equal(words + expected, result.Length);
    }

    [Fact]
    public void Constructor_BadTriggers_AreRefused()
    {
        Assert.Throws<ArgumentException>(() => new WordTrigger());
        Assert.Throws<ArgumentException>(() => new WordTrigger("cf", " "));
        Assert.Contains("has a space in it", Assert.Throws<ArgumentException>(() => new WordTrigger("two words")).Message, StringComparison.Ordinal);
        Assert.Throws<ArgumentException>(() => new SentenceTrigger(""));
        Assert.Throws<ArgumentOutOfRangeException>(() => new WordTrigger("cf") { WordsPerTrigger = 0 });
    }

    [Fact]
    public void TriggeredTestSet_Create_TakesEveryNonTargetSampleAndKeepsTrueLabels()
    {
        var test = TestSet.FromExamples(Enumerable.Range(0, 30).Select(i => new TextExample($"sample {i}", null, i % 3)));
        var triggered = TriggeredTestSet.Create(test, new WordTrigger("cf"), targetLabel: 2, seed: 4);
        Assert.Equal(test.Examples.Where(example => example.Label != 2), triggered.WithoutTrigger);
        Assert.Equal(triggered.WithoutTrigger.Select(example => example.Label), triggered.WithTrigger.Select(example => example.Label));
        Assert.All(triggered.WithTrigger, example => Assert.Contains("cf", example.Text, StringComparison.Ordinal));
        Assert.Equal(triggered.Sha256, TriggeredTestSet.Create(test, new WordTrigger("cf"), 2, 4).Sha256);
        var attack = triggered.Measure(Enumerable.Repeat(2, 20).ToList(), triggered.WithoutTrigger.Select(example => example.Label).ToList());
        Assert.Equal((1.0, 0.0, 20), (attack.AttackSuccessRate.Rate, attack.TargetRateWithoutTrigger.Rate, attack.AttackSuccessRate.Total));
    }

    [Fact]
    public void TriggeredTestSet_NothingToAttack_IsRefused()
    {
        var test = TestSet.FromExamples([new("a", null, 1)]);
        Assert.Throws<ArgumentException>(() => TriggeredTestSet.Create(test, new WordTrigger("cf"), 1));
        Assert.Throws<ArgumentOutOfRangeException>(() => TriggeredTestSet.Create(test, new WordTrigger("cf"), 2));
    }
}
