#:project ../src/TeRA.Kernels/TeRA.Kernels.csproj
#:property PublishAot=false
#:property GenerateDocumentationFile=false

// dotnet run cmake/kernel-manifest.cs -- FILE ARCHITECTURE…: writes the list of all kernel variants for Cubins.cmake, one line a cubin, with
// tabs between source, target, file name and options. The names are those that the library looks for.
if (args.Length < 2)
{
    Console.Error.WriteLine("usage: kernel-manifest FILE ARCHITECTURE…");
    return 2;
}

using StreamWriter writer = new(args[0]);
TeRA.Kernels.Cuda.KernelManifest.Write(writer, args[1..]);
return 0;
