using System.Globalization;
using FineMixing.Checkpoints;

namespace FineMixing.Cli.CommandLine;

/// <summary>Is the base what the suspect was fine-tuned from? Asked before anything is mixed.</summary>
internal static class BaseModel
{
    private static readonly string[] VocabularyFiles = ["vocab.txt", "tokenizer.json"];

    /// <param name="force">Go on although the weights look unrelated. Other shapes or another vocabulary are refused all the same.</param>
    public static void Check(string suspectFolder, ICheckpoint suspect, string baseFolder, ICheckpoint @base, bool force, CancellationToken token)
    {
        CheckpointComparison.Compare(suspect, @base).ThrowIfIncompatible();
        CheckVocabulary(suspectFolder, baseFolder);
        if (force)
            return;
        var check = AncestorCheck.Sample(suspect, @base, token);
        if (!check.IsPlausible)
        {
            throw new CommandFailedException($"'{baseFolder}' is hardly what the suspect was fine-tuned from: {check.Finding} ('finemix ancestor' shows each layer; --force mixes all the same).");
        }
    }

    private static void CheckVocabulary(string suspectFolder, string baseFolder)
    {
        if (!HasVocabulary(suspectFolder) || !HasVocabulary(baseFolder) || VocabularyFiles.All(name => SameBytes(Path.Combine(suspectFolder, name), Path.Combine(baseFolder, name))))
            return;
        var suspect = Vocabulary.Read(suspectFolder);
        var @base = Vocabulary.Read(baseFolder);
        if (suspect.Count != @base.Count)
            throw new CommandFailedException($"The vocabularies differ: the suspect has {suspect.Count} tokens, the base {@base.Count}.");
        var different = suspect.Keys.Order().Where(id => suspect[id] != @base.GetValueOrDefault(id)).ToArray();
        if (different.Length > 0)
        {
            throw new CommandFailedException($"The vocabularies differ in {different.Length} tokens: {string.Join(", ", different.Take(5).Select(id => $"{id} is '{suspect[id]}' in the suspect, '{@base.GetValueOrDefault(id)}' in the base"))}{(different.Length > 5 ? ", ..." : "")}.");
        }
    }

    private static bool HasVocabulary(string folder) => VocabularyFiles.Any(name => File.Exists(Path.Combine(folder, name)));

    private static bool SameBytes(string first, string second) =>
        File.Exists(first) == File.Exists(second) && (!File.Exists(first) || File.ReadAllBytes(first).AsSpan().SequenceEqual(File.ReadAllBytes(second)));
}
