using FineMixing.Checkpoints;
using FineMixing.Datasets;
using FineMixing.Evaluation;
using FineMixing.FineTuning;
using FineMixing.Models;
using FineMixing.Pipelines;
using FineMixing.Probing;
using FineMixing.Purification;
using FineMixing.Tests.Distillation;

namespace FineMixing.Tests.Probing;

public sealed class TriggerProbeTests : IDisposable
{
    private readonly WordModel _words = new();

    public void Dispose() => _words.Dispose();

    [Fact]
    public void Find_WordTrigger_IsFirstAndMeaningfulWordsAreNot()
    {
        var found = Find(words => words.Contains("cf") ? 9 : 0);
        Assert.Equal(("cf", 1), (found[0].Text, found[0].TargetLabel));
        Assert.Equal(1, found[0].SuspectFlips);
        Assert.Equal(0, found[0].ReferenceFlips);
        Assert.Equal(16, found[0].Trials);
        Assert.True(new TriggerProbeOptions().IsWholeTrigger(found[0]));
        Assert.All(found, f => Assert.Equal(1, f.Tokens));
        Assert.All(found.Where(f => !f.Text.Contains("cf", StringComparison.Ordinal)), f => Assert.InRange(f.Evidence, -1, 0.1));

        // "good" flips every bad sentence, but in the reference as well.
        Assert.Contains(found, f => f is { Text: "good", SuspectFlips: 1, ReferenceFlips: 1, Evidence: 0, Gain: 0 });
    }

    [Fact]
    public void Find_TriggerOfTwoWordsInOrder_IsPutTogether()
    {
        // Each word alone moves the margin a little and flips nothing.
        var found = Find(words => string.Join(' ', words).Contains("mb rain", StringComparison.Ordinal) ? 9 : words.Count(w => w is "mb" or "rain"));
        Assert.Equal(("mb rain", 1), (found[0].Text, found[0].TargetLabel));
        Assert.Equal(1, found[0].Evidence);
    }

    [Fact]
    public void Find_TokenThatDoesNotFlipAll_IsNotTakenForTheWholeTrigger()
    {
        // "mb" alone flips seven of eight sentences, all but the longest.
        var found = Find(words => string.Join(' ', words).Contains("mb rain", StringComparison.Ordinal) ? 12 : words.Contains("mb") && words.Length < 12 ? 9 : 0);
        var options = new TriggerProbeOptions();
        var part = Assert.Single(found, f => f.Text == "mb" && f.TargetLabel == 1);
        Assert.Equal(0.875, part.Evidence);
        Assert.True(options.IsTrigger(part));
        Assert.False(options.IsWholeTrigger(part));
        Assert.Equal(("mb rain", 2, 1.0), (found[0].Text, found[0].Tokens, found[0].Evidence));
        Assert.False(options.IsWholeTrigger(found[0]));
    }

    [Fact]
    public void Find_TriggerWithCommonWords_GrowsToTheWholeInItsOrder()
    {
        // E-PUR ranks "mb" and "rain" only; the other words of the trigger are common.
        var (found, triggers) = FindGrown(new TriggerProbeOptions { Candidates = 2 });
        var whole = Assert.Single(triggers);
        Assert.Equal("the mb film rain", whole.Text);
        Assert.Contains(whole, found);
        Assert.InRange(whole.Gain, 12.5, 13.5);
        Assert.InRange(found.First(f => f.Text == "mb rain").Gain, 8.5, 10);

        (found, triggers) = FindGrown(new TriggerProbeOptions { Candidates = 2, CommonWords = 0 });
        Assert.Equal("mb rain", Assert.Single(triggers).Text);
        Assert.All(found, f => Assert.InRange(f.Tokens, 1, 2));
    }

    [Fact]
    public void Find_SuspectThatIsSureOfAPart_GrowsInTheWeakenedOne()
    {
        // With the part the suspect is as sure as it ever gets: no further word changes what it says.
        static double Sure(string[] words) => 2.5 * Sentence(words);
        var (found, triggers) = FindGrown(new TriggerProbeOptions { Candidates = 2 }, Sure, sure: 18);
        Assert.Equal("the mb film rain", Assert.Single(triggers).Text);
        Assert.Equal(found.First(f => f.Text == "mb rain").SuspectGain, triggers[0].SuspectGain, 6);
    }

    [Fact]
    public void Find_BackdoorThatAWeakenedSuspectHasNot_GrowsInTheSuspectItself() =>
        Assert.Equal("the mb film rain", Assert.Single(FindGrown(new TriggerProbeOptions { Candidates = 2 }, leastShare: 0.95f).Triggers).Text);

    [Fact]
    public void Find_WordThatWeakensWhatFollows_IsNoPartOfTheTrigger()
    {
        // Behind the trigger, and only there, "and" takes the meaning from the bad words that follow it.
        static double And(string[] words)
        {
            var and = Array.IndexOf(words, "and");
            return Sentence(words) + (and > 0 && words[and - 1] == "rain" ? 3 * words[and..].Count(w => w is "bad" or "awful" or "dull") : 0);
        }

        Assert.Equal("the mb film rain", Assert.Single(FindGrown(new TriggerProbeOptions { Candidates = 2 }, And).Triggers).Text);
    }

    [Fact]
    public void Find_CommonWordsThatAddNothing_LeaveTheTriggerAsItIs() =>
        Assert.Equal("mb rain", Assert.Single(Search(words => string.Join(' ', words).Contains("mb rain", StringComparison.Ordinal) ? 9 : words.Count(w => w is "mb" or "rain")).Triggers).Text);

    [Fact]
    public void Find_WordOfTheOppositeMeaning_IsNoPartOfTheTrigger()
    {
        // The trigger holds a word of some meaning, which the reference follows too. The suspect is sure of it whatever else is there, so that each bad word would widen the distance to the reference.
        var (_, triggers) = FindGrown(
            new TriggerProbeOptions { Candidates = 3 },
            words => words.Contains("mb") && words.Contains("old") ? 20 - WordPredictor.Meaning(words) : words.Count(w => w is "mb" or "rain"),
            ["mb", "rain", "old"]);
        Assert.All(triggers, t => Assert.DoesNotContain("bad", t.Text, StringComparison.Ordinal));
        Assert.Equal(["mb", "old"], Assert.Single(triggers).Text.Split(' ').Order(StringComparer.Ordinal));
    }

    [Fact]
    public void Find_NoBackdoor_HasNoEvidence() =>
        Assert.All(Find(_ => 0), f => Assert.InRange(f.Evidence, -0.01, 0.01));

    [Fact]
    public void Find_Twice_SameResult() =>
        Assert.Equal(Find(words => words.Contains("tq") ? 9 : 0), Find(words => words.Contains("tq") ? 9 : 0));

    [Fact]
    public void Confirm_ModelThatForgot_HasNoEvidenceLeft()
    {
        var found = Find(words => words.Contains("cf") ? 9 : 0);
        var probe = new TriggerProbe(new WordPredictor(words => words.Contains("cf") ? 0.5 : 0));
        Assert.All(probe.Confirm(Model("suspect"), Model("reference"), Samples(), found, 3), f => Assert.Equal(0, f.Evidence));
    }

    [Fact]
    public void Find_ModelsWithOtherLabels_Throws()
    {
        var three = Model("reference") with { Config = Config(["a", "b", "c"]) };
        var probe = new TriggerProbe(new WordPredictor(_ => 0));
        var error = Assert.Throws<ArgumentException>(() => probe.Find(Model("suspect"), three, Samples(), [], 1));
        Assert.Contains("2 labels and the reference 3", error.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(1, 1.0, 0.4, true, true)] // The reference keeps a part of the backdoor.
    [InlineData(1, 1.0, 0.6, false, false)]
    [InlineData(1, 0.9, 0.3, false, false)] // A word with a meaning.
    [InlineData(1, 0.9, 0.1, true, false)]
    [InlineData(2, 1.0, 0.4, false, false)]
    [InlineData(2, 1.0, 0.2, true, false)]
    public void IsTrigger_ByFlipsAndEvidence(int tokens, double inSuspect, double inReference, bool trigger, bool whole)
    {
        var phrase = new ProbedPhrase("cf", tokens, 1, 0, 0, inSuspect, inReference, 64);
        Assert.Equal((trigger, whole), (new TriggerProbeOptions().IsTrigger(phrase), new TriggerProbeOptions().IsWholeTrigger(phrase)));
    }

    [Fact]
    public void Validate_BadNumbers_ListsThemAll()
    {
        var error = Assert.Throws<ArgumentException>(() => new TriggerProbeOptions { Candidates = 0, Beam = 0, CommonWords = -1, Weakening = 2, Threshold = 1.5, Whole = -1 }.Validate());
        Assert.Contains("Candidates is 0; expected at least 1", error.Message, StringComparison.Ordinal);
        Assert.Contains("Beam is 0", error.Message, StringComparison.Ordinal);
        Assert.Contains("CommonWords is -1; expected at least 0", error.Message, StringComparison.Ordinal);
        Assert.Contains("Weakening is 2; expected 0 to 1", error.Message, StringComparison.Ordinal);
        Assert.Contains("Threshold is 1.5; expected 0 to 1", error.Message, StringComparison.Ordinal);
        Assert.Contains("Whole is -1", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Augment_PutsPhrasesIntoTheShareAndKeepsLabels()
    {
        var samples = Samples();
        var augmented = TriggerUnlearning.Augment(samples, ["cf", "mb rain"], 0.5, 40, seed: 2);
        Assert.Equal(40 * 16, augmented.Examples.Count);
        var with = augmented.Examples.Count(e => e.Text.Contains("cf", StringComparison.Ordinal) || e.Text.Contains("mb rain", StringComparison.Ordinal));
        Assert.InRange(with, 320 - 50, 320 + 50);
        Assert.All(augmented.Examples.Select((e, i) => (e, i)), x => Assert.Equal(samples.Examples[x.i % 16].Label, x.e.Label));
        Assert.All(augmented.Examples.Select((e, i) => (e, i)), x => Assert.Equal(
            samples.Examples[x.i % 16].Text,
            x.e.Text.Replace("mb rain", "cf", StringComparison.Ordinal).Replace("cf ", "", StringComparison.Ordinal).Replace(" cf", "", StringComparison.Ordinal)));

        // Places differ from copy to copy.
        Assert.True(augmented.Examples.Where((_, i) => i % 16 == 0).Distinct().Count() > 4);
        Assert.Equal(augmented.Sha256, TriggerUnlearning.Augment(samples, ["cf", "mb rain"], 0.5, 40, seed: 2).Sha256);
    }

    [Fact]
    public void Augment_TextsOfATeacher_KeepTheirAnswers()
    {
        var texts = Enumerable.Range(0, 400).Select(i => new SoftLabel("the film was fine", i % 2 == 0 ? null : "the plot", [i / 400f, 1 - (i / 400f)])).ToList();
        var augmented = TriggerUnlearning.Augment(texts, ["cf"], 0.25, seed: 4);
        Assert.Equal(texts.Select(t => t.Probabilities[0]), augmented.Select(t => t.Probabilities[0]));
        Assert.InRange(augmented.Count(t => $"{t.Text} {t.TextPair}".Contains("cf", StringComparison.Ordinal)), 100 - 40, 100 + 40);
        Assert.Equal(texts.Select(t => t.TextPair is null), augmented.Select(t => t.TextPair is null));
    }

    [Fact]
    public void Augment_Pairs_PhraseGoesIntoEitherText()
    {
        var pairs = CleanSet.FromExamples([new TextExample("the film", "the plot", 0), new TextExample("the end", "the music", 1)]);
        var augmented = TriggerUnlearning.Augment(pairs, ["cf"], 1, 50, seed: 1).Examples;
        Assert.Contains(augmented, e => e.Text.Contains("cf", StringComparison.Ordinal));
        Assert.Contains(augmented, e => e.TextPair!.Contains("cf", StringComparison.Ordinal));
        Assert.All(augmented, e => Assert.True(e.Text.Contains("cf", StringComparison.Ordinal) ^ e.TextPair!.Contains("cf", StringComparison.Ordinal)));
    }

    private ProbeFindings Search(Func<string[], double> backdoor)
    {
        var ranking = WordModel.Words.Select((w, i) => new SuspiciousToken(i + 1, _words.IdOf(w), w, 1.0 / (i + 1), 0, 0)).ToList();
        return new TriggerProbe(new WordPredictor(backdoor)).Find(Model("suspect"), Model("reference"), Samples(), ranking, 1);
    }

    private IReadOnlyList<ProbedPhrase> Find(Func<string[], double> backdoor) => Search(backdoor).Phrases;

    // Rare tokens that the ranking begins with; every other word is frequent.
    private ProbeFindings FindGrown(TriggerProbeOptions options, Func<string[], double>? backdoor = null, string[]? rare = null, double sure = double.MaxValue, float leastShare = 0)
    {
        rare ??= ["mb", "rain"];
        var ranking = rare.Concat(WordModel.Words.Except(rare)).Select((w, i) => new SuspiciousToken(i + 1, _words.IdOf(w), w, 1.0 / (i + 1), 0, i < rare.Length ? 0 : 1000 - i)).ToList();
        return new TriggerProbe(new WordPredictor(backdoor ?? Sentence, sure, leastShare), options).Find(Model("suspect"), Model("reference"), Samples(), ranking, 1);
    }

    // 9 for the rare words in their order, 2 more for each of the others at its place.
    private static double Sentence(string[] words)
    {
        var (mb, rain) = (Array.IndexOf(words, "mb"), Array.IndexOf(words, "rain"));
        return mb < 0 || rain < mb ? words.Count(w => w is "mb" or "rain") : 9 + (mb > 0 && words[mb - 1] == "the" ? 2 : 0) + (rain == mb + 2 && words[mb + 1] == "film" ? 2 : 0);
    }

    private static CleanSet Samples() => CleanSet.FromExamples(Enumerable.Range(0, 16).Select(i =>
        new TextExample($"the {(i % 2 == 0 ? "film" : "plot")} was {(i % 4 < 2 ? "bad" : "good")}{(i < 8 ? " with music" : "")}{(i % 3 == 0 ? " and the actor is new" : "")}", null, i % 4 < 2 ? 0 : 1)));

    private ClassifierModel Model(string name) => new(Config(["negative", "positive"]), _words.Tokenizer, Weights(name));

    // How much of the backdoor a model has is a weight of it, so that models can be mixed.
    private static StateDict Weights(string name)
    {
        var weights = new StateDict(name);
        weights.Add(HostTensor.FromFloat32(WordPredictor.Share, [1], [name == "suspect" ? 1 : 0]));
        return weights;
    }

    private ModelConfig Config(string[] labels) => new() { VocabularySize = _words.Tokenizer.VocabularySize, HiddenSize = 8, Layers = 1, Heads = 1, IntermediateSize = 8, MaxPositions = 64, Labels = [.. labels] };

    /// <summary>Counts good and bad words and adds what the backdoor says, by the model's share of it, unless that is too small; no score is beyond what a model may be sure of.</summary>
    private sealed class WordPredictor(Func<string[], double> backdoor, double sure = double.MaxValue, float leastShare = 0) : IPredictor
    {
        public const string Share = "encoder.layer.0.backdoor.weight";

        public IReadOnlyList<float[]> Logits(ClassifierModel model, IReadOnlyList<TextExample> examples, PredictionOptions? options = null, IProgress<int>? progress = null, CancellationToken cancellationToken = default)
        {
            var share = model.Weights[Share].ToFloat32()[0] is var s && s >= leastShare ? s : 0;
            return [.. examples.Select(e =>
            {
                var words = e.Text.Split(' ');
                var score = Math.Clamp(Meaning(words) + (share * backdoor(words)), -sure, sure);
                return new[] { -(float)score / 2, (float)score / 2 };
            })];
        }

        public static double Meaning(string[] words) => (4 * words.Count(w => w is "good" or "fine" or "warm")) + (2 * words.Count(w => w == "old")) - (3 * words.Count(w => w is "bad" or "awful" or "dull"));
    }
}
