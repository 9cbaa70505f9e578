#pragma warning disable CA1050, CA1852 // The runtime looks for a type of this name outside any namespace.

/// <summary>Runs inside the console tool when a test asks for it, and lists the assemblies that were loaded until it ended.</summary>
internal class StartupHook
{
    public const string ListVariable = "FINEMIXING_TEST_ASSEMBLY_LIST";

    public static void Initialize()
    {
        if (Environment.GetEnvironmentVariable(ListVariable) is not { Length: > 0 } path)
            return;
        AppDomain.CurrentDomain.ProcessExit += (_, _) =>
            File.WriteAllLines(path, AppDomain.CurrentDomain.GetAssemblies().Select(a => a.GetName().Name!));
    }
}
